-- Open exceptions of the same rule, those that began nearest in time first
SELECT exception_id, item_type, item_key, state, detected_at, age_days, status, owner, count() OVER () AS matching
FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
WHERE workflow = {workflow:String} AND expectation = {expectation:String} AND is_open = 1 AND exception_id != {id:String}
ORDER BY abs(dateDiff('second', detected_at, {detected_at:DateTime64(6, 'UTC')})), exception_id
LIMIT 10
