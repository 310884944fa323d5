-- New members of the legs of tie-outs: objects at the end of a path of links, events of a step
INSERT INTO leg_members (
    workflow, version, expectation, item_type, item_key, leg, expected, member_type, member_key, amount, currency,
    joined_at, known_at
)
WITH
    {legs:Array(Tuple(
        rule String, item String, leg String, expected Bool, step String, roles Array(String), types Array(String)))} AS legs,
    {failed_steps:Array(String)} AS failed_steps,
    toDateTime64({mark:String}, 6, 'UTC') AS mark,
    toDateTime64({until:String}, 6, 'UTC') AS until,
-- A link can be followed from either end.
ways AS (
    SELECT from_type AS a_type, from_key AS a_key, to_type AS b_type, to_key AS b_key, role, valid_from, known_at
    FROM object_links
    WHERE workflow = {workflow:String} AND known_at <= until AND has(arrayFlatten(arrayMap(l -> l.roles, legs)), role)
    UNION ALL
    SELECT to_type, to_key, from_type, from_key, role, valid_from, known_at
    FROM object_links
    WHERE workflow = {workflow:String} AND known_at <= until AND has(arrayFlatten(arrayMap(l -> l.roles, legs)), role)
),
first_hop AS (
    SELECT leg, a_type AS item_type, a_key AS item_key, b_type, b_key, valid_from, known_at
    FROM ways
    ARRAY JOIN arrayFilter(l -> l.item = a_type AND l.roles[1] = role AND l.types[1] = b_type, legs) AS leg
),
second_hop AS (
    SELECT
        f.leg AS leg, f.item_type AS item_type, f.item_key AS item_key, w.b_type AS b_type, w.b_key AS b_key,
        greatest(f.valid_from, w.valid_from) AS valid_from, greatest(f.known_at, w.known_at) AS known_at
    FROM (SELECT * FROM first_hop WHERE length(leg.roles) > 1) AS f
    INNER JOIN ways AS w ON w.a_type = f.b_type AND w.a_key = f.b_key
        AND w.role = f.leg.roles[2] AND w.b_type = f.leg.types[2]
),
third_hop AS (
    SELECT
        s.leg AS leg, s.item_type AS item_type, s.item_key AS item_key, w.b_type AS b_type, w.b_key AS b_key,
        greatest(s.valid_from, w.valid_from) AS valid_from, greatest(s.known_at, w.known_at) AS known_at
    FROM (SELECT * FROM second_hop WHERE length(leg.roles) > 2) AS s
    INNER JOIN ways AS w ON w.a_type = s.b_type AND w.a_key = s.b_key
        AND w.role = s.leg.roles[3] AND w.b_type = s.leg.types[3]
),
members AS (
    SELECT leg, item_type, item_key, b_type AS member_type, b_key AS member_key, NULL AS amount, '' AS currency,
        valid_from AS joined_at, min(known_at) AS member_known_at
    FROM (
        SELECT * FROM first_hop WHERE length(leg.roles) = 1
        UNION ALL SELECT * FROM second_hop WHERE length(leg.roles) = 2
        UNION ALL SELECT * FROM third_hop
    )
    -- A row for each time it may have joined: what was known when decides which one counts.
    GROUP BY leg, item_type, item_key, member_type, member_key, joined_at
    UNION ALL
    SELECT leg, object_type, object_key, '', event_id, any(e.amount), any(e.currency), any(occurred_at), min(known_at)
    FROM event_objects AS e
    ARRAY JOIN arrayFilter(l -> l.item = object_type AND l.step = step, legs) AS leg
    WHERE workflow = {workflow:String} AND known_at > mark AND known_at <= until
        AND (outcome != 'failed' OR has(failed_steps, step))
    GROUP BY leg, object_type, object_key, event_id
)
SELECT
    {workflow:String}, {version:String}, leg.rule, item_type, item_key, leg.leg, leg.expected, member_type, member_key,
    amount, currency, joined_at, member_known_at
FROM members
WHERE member_known_at > mark AND (leg.rule, item_key, leg.leg, member_type, member_key, joined_at) NOT IN (
    SELECT expectation, item_key, leg, member_type, member_key, joined_at
    FROM leg_members
    WHERE workflow = {workflow:String} AND version = {version:String}
)
