-- When the newest evidence of a workflow became known: figures with this K hold until more is known.
SELECT max(newest) AS known_at
FROM (
    SELECT max(known_at) AS newest FROM expectations WHERE workflow = {workflow:String}
    UNION ALL
    SELECT max(known_at) FROM leg_members WHERE workflow = {workflow:String}
    UNION ALL
    SELECT max(known_at) FROM snapshots
    UNION ALL
    SELECT max(known_at) FROM watermarks WHERE source IN {sources:Array(String)}
    UNION ALL
    SELECT max(known_at) FROM telemetry_heard WHERE source IN {sources:Array(String)}
    UNION ALL
    SELECT max(activated_at) FROM workflow_versions WHERE workflow = {workflow:String}
    UNION ALL
    SELECT max(known_at) FROM exceptions
    UNION ALL
    SELECT max(known_at) FROM match_acts WHERE workflow = {workflow:String}
)
