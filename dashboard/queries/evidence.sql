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
    UNION ALL
    SELECT max(a.known_at)
    FROM match_acts AS a
    INNER JOIN (
        SELECT splitByChar('/', job)[2] AS of_rule, max(mark) AS up_to FROM marks WHERE startsWith(job, 'match/') GROUP BY of_rule
    ) AS read ON read.of_rule = a.rule
    -- What matching has not taken in yet changes nothing that is shown.
    WHERE a.workflow = {workflow:String} AND a.known_at <= read.up_to
)
SELECT
    (SELECT max(at) FROM learned) AS known_at,
    minOrNull(occurred_at) AS first_at, maxOrNull(occurred_at) AS last_at, count() AS event_count
FROM events
WHERE workflow = {workflow:String}
