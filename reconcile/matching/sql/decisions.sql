-- How many decisions a rule version has written of what became known since the mark
SELECT count() AS decisions
FROM matches
WHERE rule = {rule:String} AND version = {version:String}
    AND known_at > toDateTime64({mark:String}, 6, 'UTC') AND known_at <= toDateTime64({until:String}, 6, 'UTC')
