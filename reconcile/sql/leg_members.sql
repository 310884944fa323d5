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
    SELECT way.1 AS a_type, way.2 AS a_key, way.3 AS b_type, way.4 AS b_key, role, valid_from, known_at
    FROM object_links
    ARRAY JOIN [(from_type, from_key, to_type, to_key), (to_type, to_key, from_type, from_key)] AS way
    WHERE workflow = {workflow:String} AND known_at <= until AND has(arrayFlatten(arrayMap(l -> l.roles, legs)), role)
        AND ({all:Bool} OR (from_type, from_key) IN {things:Array(Tuple(String, String))})
),
first_hop AS (
    SELECT leg, a_type AS item_type, a_key AS item_key, b_type, b_key, valid_from, known_at
    FROM ways
    ARRAY JOIN arrayFilter(l -> l.item = a_type AND l.roles[1] = role AND l.types[1] = b_type, legs) AS leg
),
-- The next links of longer paths; a leg of fewer links finds none, since no role is empty.
paths AS (
    SELECT
        f.leg AS leg, f.item_type AS item_type, f.item_key AS item_key, length(leg.roles) AS links,
        multiIf(links = 1, f.b_type, links = 2, second.b_type, third.b_type) AS end_type,
        multiIf(links = 1, f.b_key, links = 2, second.b_key, third.b_key) AS end_key,
        greatest(f.valid_from, second.valid_from, third.valid_from) AS valid_from,
        greatest(f.known_at, second.known_at, third.known_at) AS known_at
    FROM first_hop AS f
    LEFT JOIN ways AS second ON second.a_type = f.b_type AND second.a_key = f.b_key
        AND second.role = f.leg.roles[2] AND second.b_type = f.leg.types[2]
    LEFT JOIN ways AS third ON third.a_type = second.b_type AND third.a_key = second.b_key
        AND third.role = f.leg.roles[3] AND third.b_type = f.leg.types[3]
    WHERE end_type != ''
),
members AS (
    SELECT leg, item_type, item_key, end_type AS member_type, end_key AS member_key, NULL AS amount, '' AS currency,
        valid_from AS joined_at, min(known_at) AS member_known_at
    FROM paths
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
        AND ({all:Bool} OR (item_type, item_key) IN {things:Array(Tuple(String, String))})
)
