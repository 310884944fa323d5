-- Versions of the items touched by new events: sequences, precedences, surplus steps, tie-out openings
-- One version per item and known_at: the rows that follow from all its events known up to then. When they are due, write_expectations says.
WITH
    {rules:Array(Tuple(
        name String, kind String, item String, code String, clock String, owner String, within Int64, unit String, calendar String,
        opens Array(String), arrives Array(String), voids Array(String), writes_off Array(String),
        reverses Array(String), fails Array(String), guarded Bool, again Array(String),
        tolerance_abs Decimal(38, 6), tolerance_pct Decimal(38, 6), sources Array(String)))} AS rules,
    {steps:Array(String)} AS steps,
    {failed_steps:Array(String)} AS failed_steps,
    toDateTime64({mark:String}, 6, 'UTC') AS mark,
    toDateTime64({until:String}, 6, 'UTC') AS until,
-- Items with news, and each moment at which something new became known of them.
touched AS (
    SELECT object_type, object_key, known_at AS version_at
    FROM event_objects
    WHERE workflow = {workflow:String} AND known_at > mark AND known_at <= until
        AND has(arrayMap(r -> r.item, rules), object_type)
        AND cityHash64(object_key) % {shares:UInt32} = {share:UInt32}
    GROUP BY object_type, object_key, version_at
),
-- Their events known at each of these moments, once each, in business order; equal times in order of the workflow's steps.
history AS (
    SELECT
        t.object_type AS item_type, t.object_key AS item_key, t.version_at AS version_at,
        e.event_id AS event_id, any(e.step) AS step, any(e.occurred_at) AS occurred_at,
        any(e.amount) AS amount, any(e.currency) AS currency, any(e.trace_id) AS trace_id,
        any(e.outcome) AS outcome,
        any(e.dims) AS dims
    FROM touched AS t
    INNER JOIN (
        SELECT object_type, object_key, event_id, step, occurred_at, known_at, amount, currency, trace_id, outcome, dims
        FROM event_objects
        WHERE workflow = {workflow:String} AND known_at <= until
            AND (object_type, object_key) IN (SELECT object_type, object_key FROM touched)
    ) AS e ON e.object_type = t.object_type AND e.object_key = t.object_key
    WHERE e.known_at <= t.version_at
    GROUP BY item_type, item_key, version_at, event_id
),
ordered AS (
    SELECT
        *,
        row_number() OVER item AS pos,
        anyLastMap(CAST(mapFilter((k, v) -> v != '', dims), 'Map(String, String)')) OVER item AS segments,
        toUInt32(count() OVER (PARTITION BY item_type, item_key, version_at)) AS evidence
    FROM history
    WINDOW item AS (
        PARTITION BY item_type, item_key, version_at
        ORDER BY occurred_at, indexOf(steps, step), event_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
),
-- What each event means to each rule of its item. The first event also stands for the item itself (rule without a name).
meanings AS (
    SELECT
        item_type, item_key, version_at, rule, rules[rule].kind AS kind, pos, event_id, step, occurred_at,
        amount, currency, trace_id, segments, evidence,
        -- A try that failed has not reached its step, unless the step itself is the failing.
        outcome != 'failed' OR has(failed_steps, step) AS came,
        came AND has(rules[rule].opens, step) AS opens,
        came AND has(rules[rule].arrives, step) AS arrives,
        came AND has(rules[rule].voids, step) AS voids,
        came AND has(rules[rule].writes_off, step) AS writes_off,
        came AND has(rules[rule].reverses, step) AS reverses,
        has(rules[rule].fails, step) OR (NOT came AND kind = 'sequence' AND has(rules[rule].arrives, step)) AS fails,
        came AND has(rules[rule].again, step) AS restarts,
        arrives OR voids OR writes_off AS ends
    FROM ordered
    ARRAY JOIN arrayFilter(
        n -> rules[n].item = item_type OR (rules[n].kind = 'none' AND pos = 1), arrayEnumerate(rules)) AS rule
    WHERE opens OR ends OR reverses OR fails OR restarts OR kind = 'none'
),
-- A spell runs up to and including the event that ends it; `arrival` counts arrivals so far.
spells AS (
    SELECT
        *,
        countIf(ends) OVER before_this AS spell,
        countIf(arrives) OVER up_to_this AS arrival,
        countIf(opens) OVER before_this AS openings_before,
        ifNull(last_value(multiIf(arrives, 1, restarts, 0, NULL)) IGNORE NULLS OVER before_this, 0) AS settled,
        opens AND NOT (rules[rule].guarded AND settled = 1 AND NOT restarts) AS starts,
        argMinIf((occurred_at, event_id), pos, ends) OVER after_this AS next_end,
        countIf(ends) OVER after_this AS ends_after
    FROM meanings
    WINDOW
        before_this AS (PARTITION BY item_type, item_key, version_at, rule ORDER BY pos
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
        up_to_this AS (PARTITION BY item_type, item_key, version_at, rule ORDER BY pos
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
        after_this AS (PARTITION BY item_type, item_key, version_at, rule ORDER BY pos
            ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)
),
followed AS (
    SELECT
        *,
        countIf(starts) OVER spell_before AS started_before,
        countIf(opens) OVER spell_before AS opened_before,
        anyIf(multiIf(arrives, 'arrived', voids, 'voided', 'written_off'), ends) OVER spell_all AS ended_as,
        anyIf(arrival, arrives) OVER spell_all AS ended_arrival,
        arrayFilter(f -> f.1 > pos, groupArrayIf((pos, occurred_at), fails) OVER spell_all) AS failed,
        -- Reversals stand after the arrival they take back, before the next one.
        groupArrayIf((arrival, occurred_at), reverses) OVER rule_all AS reversals
    FROM spells
    WINDOW
        spell_before AS (PARTITION BY item_type, item_key, version_at, rule, spell ORDER BY pos
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
        spell_all AS (PARTITION BY item_type, item_key, version_at, rule, spell),
        rule_all AS (PARTITION BY item_type, item_key, version_at, rule)
),
results AS (
    SELECT
        *,
        ends_after > 0 AS ended,
        multiIf(
            kind = 'sequence', starts AND started_before = 0,
            -- A step without what must come before it; closed when that comes after all.
            kind = 'precedence', opens AND arrival = 0,
            -- A step that came again; closed when a resetting step takes it back.
            kind = 'once', opens AND opened_before > 0,
            -- A tie-out opens with its first step and stays; its state is read from its legs.
            kind = 'tie_out', opens AND openings_before = 0,
            false) AS is_result,
        arrayFilter(x -> x.1 = ended_arrival AND ended_arrival > 0, reversals) AS taken_back
    FROM followed
),
-- An item without any row still has this version: an older one must not shine through.
kept AS (
    SELECT *, countIf(is_result) OVER (PARTITION BY item_type, item_key, version_at) AS rows_of_item
    FROM results
)
SELECT
    rules[rule].name AS expectation, kind, item_type, item_key, occurred_at AS opened_at, event_id AS opened_by,
    step AS opened_step,
    if(ended, next_end.1, NULL) AS closed_at,
    if(ended, next_end.2, '') AS closed_by,
    multiIf(NOT ended, '', kind = 'sequence', ended_as, 'arrived') AS closed_as,
    multiIf(
        kind = 'once' AND ended, next_end.1,
        kind = 'sequence' AND notEmpty(taken_back), arrayMin(x -> x.2, taken_back),
        NULL) AS reversed_at,
    arraySort(arrayMap(f -> f.2, failed)) AS failed_at,
    amount, currency,
    rules[rule].code AS code, rules[rule].clock AS clock, rules[rule].owner AS owner,
    rules[rule].tolerance_abs AS tolerance_abs, rules[rule].tolerance_pct AS tolerance_pct,
    rules[rule].sources AS sources,
    segments AS dims,
    trace_id, version_at AS known_at, evidence,
    multiIf(
        rules[rule].calendar != '', rules[rule].calendar,
        mapContains({calendar_by:Map(String, String)}, dims[{calendar_dimension:String}]),
            {calendar_by:Map(String, String)}[dims[{calendar_dimension:String}]],
        {calendar_default:String}) AS calendar,
    toDateTime64(0, 6, 'UTC') AS heard_from,
    rules[rule].within AS within, rules[rule].unit AS unit
FROM kept
WHERE (is_result OR (rows_of_item = 0 AND kind = 'none'))
    -- A fact that was stamped early and stored late makes a fuller version for the same moment.
    AND (item_type, item_key, version_at, evidence, rules[rule].name, event_id) NOT IN (
        SELECT item_type, item_key, known_at, evidence, expectation, opened_by
        FROM expectations
        WHERE workflow = {workflow:String} AND version = {version:String} AND kind NOT IN ('reference', 'landed', 'traced')
            AND known_at > mark AND known_at <= until AND cityHash64(item_key) % {shares:UInt32} = {share:UInt32}
    )
