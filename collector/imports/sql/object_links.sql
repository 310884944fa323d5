-- Links that are not known yet, or not from so early on: the order of imports must not matter.
INSERT INTO object_links (workflow, from_type, from_key, to_type, to_key, role, valid_from, known_at, source)
SELECT
    {workflow:String}, origin_type, origin_key, target_type, target_key, link_role, holds_from,
    {known_at:DateTime64(6, 'UTC')}, {source:String}
FROM decided
LEFT JOIN (
    SELECT from_type, from_key, to_type, to_key, role, toNullable(min(valid_from)) AS known_from
    FROM object_links
    WHERE workflow = {workflow:String} AND source = {source:String} AND from_key IN (SELECT origin_key FROM decided)
    GROUP BY from_type, from_key, to_type, to_key, role
) AS stored ON stored.from_type = origin_type AND stored.from_key = origin_key AND stored.to_type = target_type
    AND stored.to_key = target_key AND stored.role = link_role
WHERE holds_from < {until:DateTime64(6, 'UTC')} AND (known_from IS NULL OR holds_from < known_from)
