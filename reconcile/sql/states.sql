-- What each system said of one object, in the order it became true, by V as known at K.
SELECT system, source, fields, amount, currency, deleted, valid_from, captured_at
FROM snapshots
WHERE object_type = {object_type:String} AND object_key = {object_key:String}
    AND valid_from <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY valid_from, captured_at, system
LIMIT 200
