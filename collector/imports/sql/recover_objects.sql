-- Adds what is missing from the index by object for events of that moment.
INSERT INTO event_objects (
    object_type, object_key, role, workflow, step, occurred_at, known_at, event_id, amount, currency, outcome, attempt,
    actor, dims, trace_id, span_id, source
)
SELECT
    type, key, role, workflow, step, occurred_at, known_at, event_id, amount, currency, outcome, attempt, actor, dims,
    trace_id, span_id, source
FROM events
ARRAY JOIN objects.type AS type, objects.key AS key, objects.role AS role
WHERE known_at = {known_at:DateTime64(6, 'UTC')}
    AND (event_id, type, key, role) NOT IN (
        SELECT event_id, object_type, object_key, role
        FROM event_objects
        WHERE known_at = {known_at:DateTime64(6, 'UTC')}
    )
