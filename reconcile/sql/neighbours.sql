-- Objects linked to one object by V as known at K, whether each exists in the state of its system, and its amount.
WITH linked AS (
    SELECT role, 'to' AS direction, to_type AS object_type, to_key AS object_key, min(valid_from) AS since
    FROM object_links
    WHERE workflow = {workflow:String} AND from_type = {object_type:String} AND from_key = {object_key:String}
        AND valid_from <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
    GROUP BY role, to_type, to_key
    UNION ALL
    SELECT role, 'from', from_type, from_key, min(valid_from)
    FROM object_links
    WHERE workflow = {workflow:String} AND to_type = {object_type:String} AND to_key = {object_key:String}
        AND valid_from <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
    GROUP BY role, from_type, from_key
)
SELECT
    l.role AS role, l.direction AS direction, l.object_type AS object_type, l.object_key AS object_key, l.since AS since,
    s.states > 0 AND NOT s.gone AS has_state, s.state_amount AS amount, s.state_currency AS currency
FROM linked AS l
LEFT JOIN (
    SELECT object_type, object_key, count() AS states, argMax(deleted, (valid_from, known_at)) AS gone,
        argMax(tuple(amount), (valid_from, known_at)).1 AS state_amount,
        argMax(currency, (valid_from, known_at)) AS state_currency
    FROM snapshots
    WHERE (object_type, object_key) IN (SELECT object_type, object_key FROM linked)
        AND valid_from <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
    GROUP BY object_type, object_key
) AS s ON s.object_type = l.object_type AND s.object_key = l.object_key
ORDER BY l.object_type, l.object_key, l.role
LIMIT 200
