-- What the evidence says of some exceptions at (V, K)
SELECT exception_id, expectation, item_type, item_key, cleared_at, amount, currency, failures
FROM exceptions_of(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = {items:Array(String)})
WHERE workflow = {workflow:String} AND exception_id IN {ids:Array(String)}
