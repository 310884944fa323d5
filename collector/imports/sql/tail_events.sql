-- Events that happened at or after `until`, in the order they happened, with the name of their activity.
SELECT
    event_id, activity, step, occurred_at, object_types, object_keys, object_roles, amount, currency,
    outcome, actor, dims, attributes, source_ref
FROM written
WHERE occurred_at >= {until:DateTime64(6, 'UTC')}
ORDER BY occurred_at, source_ref
