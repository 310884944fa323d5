-- When the first record of a rule became known
SELECT minOrNull(known_at) AS first_known_at
FROM (
    SELECT known_at FROM snapshots WHERE object_type IN {types:Array(String)}
    UNION ALL
    SELECT known_at FROM events WHERE workflow = {workflow:String} AND step IN {steps:Array(String)}
)
