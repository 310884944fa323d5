-- Links that are not known yet, from the earliest state that has them
INSERT INTO object_links (workflow, from_type, from_key, to_type, to_key, role, valid_from, known_at, source)
SELECT
    {workflow:String},
    if(link.inverse, link.type, {object_type:String}) AS a_type,
    if(link.inverse, link.key, s.object_key) AS a_key,
    if(link.inverse, {object_type:String}, link.type) AS b_type,
    if(link.inverse, s.object_key, link.key) AS b_key,
    link.role AS link_role,
    min(s.holds_from), {known_at:DateTime64(6, 'UTC')}, {source:String}
FROM probe_states AS s
ARRAY JOIN s.links AS link
WHERE s.reading = {reading:String} AND s.place != 'aside'
    AND (a_type, a_key, b_type, b_key, link_role) NOT IN (
        SELECT from_type, from_key, to_type, to_key, role
        FROM object_links
        WHERE workflow = {workflow:String} AND source = {source:String})
GROUP BY a_type, a_key, b_type, b_key, link_role
