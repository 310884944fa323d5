-- Which decisions on some keys are written since the mark
SELECT group_key, occurred_at, known_at, evidence, item
FROM matches
WHERE rule = {rule:String} AND version = {version:String} AND pass = {pass:UInt8}
    AND known_at > toDateTime64({mark:String}, 6, 'UTC') AND group_key IN {keys:Array(String)}
