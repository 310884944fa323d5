-- The good states that are not known yet: with a time of their own, those never stored for that time; without, those
-- that differ from what was stored last.
SELECT import_id, file, line, key, holds_from, kept_fields, money, kept_currency, gone, hash
FROM decided
WHERE reason = ''
    AND (NOT {timed:Bool} OR holds_from < {until:DateTime64(6, 'UTC')})
    AND if(
        {timed:Bool},
        (key, assumeNotNull(holds_from), hash) NOT IN (
            SELECT object_key, valid_from, row_hash
            FROM snapshots
            WHERE object_type = {type:String} AND source = {source:String} AND object_key IN (SELECT key FROM decided)
        ),
        (key, hash) NOT IN (
            SELECT object_key, argMax(row_hash, (valid_from, known_at))
            FROM snapshots
            WHERE object_type = {type:String} AND source = {source:String} AND object_key IN (SELECT key FROM decided)
            GROUP BY object_key
        )
    )
ORDER BY import_id, file, line
LIMIT 1 BY key, holds_from, hash
