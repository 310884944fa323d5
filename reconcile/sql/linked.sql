-- Objects linked to one object by V as known at K, in either direction.
SELECT object_type, object_key
FROM (
    SELECT to_type AS object_type, to_key AS object_key
    FROM object_links
    WHERE workflow = {workflow:String} AND from_type = {object_type:String} AND from_key = {object_key:String}
        AND valid_from <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
    UNION ALL
    SELECT from_type, from_key
    FROM object_links
    WHERE workflow = {workflow:String} AND to_type = {object_type:String} AND to_key = {object_key:String}
        AND valid_from <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
)
GROUP BY object_type, object_key
ORDER BY object_type, object_key
LIMIT 200
