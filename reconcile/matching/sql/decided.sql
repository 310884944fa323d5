-- Which decisions are written since the mark: there are some after a run that did not end, or when facts came in behind it
SELECT group_key, occurred_at, known_at, evidence, item
FROM matches
WHERE rule = {rule:String} AND version = {version:String} AND pass = {pass:UInt8}
    AND known_at > toDateTime64({mark:String}, 6, 'UTC') AND known_at <= toDateTime64({until:String}, 6, 'UTC')
    AND group_key >= {from_key:String} AND ({to_end:Bool} OR group_key < {to_key:String})
