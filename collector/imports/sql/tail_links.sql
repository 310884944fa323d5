-- Links that hold from `until` on or later.
SELECT
    origin_type AS from_type, origin_key AS from_key, target_type AS to_type, target_key AS to_key, link_role AS role,
    holds_from AS valid_from
FROM decided
WHERE holds_from >= {until:DateTime64(6, 'UTC')}
ORDER BY valid_from, from_type, from_key, role, to_key
