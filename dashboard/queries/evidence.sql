-- From when to when there is evidence of a workflow, and when the newest of it became known
WITH
learned AS (
    SELECT max(known_at) AS at FROM expectations WHERE workflow = {workflow:String}
    UNION ALL
    SELECT max(known_at) FROM leg_members WHERE workflow = {workflow:String}
    UNION ALL
    SELECT max(known_at) FROM snapshots
    UNION ALL
    SELECT max(known_at) FROM watermarks WHERE source IN {sources:Array(String)}
    UNION ALL
    SELECT max(activated_at) FROM workflow_versions WHERE workflow = {workflow:String}
    UNION ALL
    SELECT max(known_at) FROM exceptions
)
SELECT
    (SELECT max(at) FROM learned) AS known_at,
    minOrNull(occurred_at) AS first_at, maxOrNull(occurred_at) AS last_at, count() AS event_count
FROM events
WHERE workflow = {workflow:String}
