-- The good rows that are not known yet, as events; what happened at or after `until` is held back.
INSERT INTO events (
    event_id, workflow, step, occurred_at, known_at, objects.type, objects.key, objects.role, amount, currency,
    outcome, attempt, actor, dims, attributes, source, source_ref
)
SELECT * EXCEPT (activity)
FROM written
WHERE occurred_at < {until:DateTime64(6, 'UTC')}
    AND event_id NOT IN (
        SELECT event_id
        FROM events
        WHERE workflow = {workflow:String} AND source = {source:String} AND event_id IN (SELECT id FROM decided)
    )
