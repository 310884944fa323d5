-- How old the exceptions of some items are as of (V, K), of all items when none is named
SELECT exception_id, age_days, age_business_days
FROM exceptions_of(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = {items:Array(String)})
WHERE kind = 'tie_out' AND exception_id IN {ids:Array(String)}
