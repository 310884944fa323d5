-- Verdicts of matching rules on some records (all, when `items` is empty) as of (V, K). Each decision counts once, with the first
-- of its points; every other broken expectation of it is a row that is open and not counted again. Faults that ended by V are
-- rows that are resolved. After the columns of all verdicts come those that only a decision has.
CREATE OR REPLACE VIEW match_verdicts_of AS
WITH
marks_known AS (
    SELECT source, max(complete_through) AS complete_through
    FROM watermarks
    WHERE known_at <= {known_at:DateTime64(6, 'UTC')}
    GROUP BY source
),
coverage AS (
    SELECT mapFromArrays(groupArray(toString(source)), groupArray(complete_through)) AS complete FROM marks_known
)
SELECT
    m.workflow AS workflow, m.version AS version, m.rule AS expectation, 'tie_out' AS kind, m.code AS code, '' AS clock, m.owner AS owner,
    m.members.type[1] AS item_type, m.members.record[1] AS item_key,
    lower(hex(sipHash128(workflow, expectation, item_type, item_key, opened_by))) AS exception_id,
    m.opened_at AS opened_at, if(m.rank IN (1, 4), concat(m.code, ' ', m.field), toString(m.field)) AS opened_by, '' AS opened_step,
    m.point_due_at AS due_at, if(m.rank IN (2, 4), NULL, m.closed_at) AS closed_at,
    if(isNull(closed_at), '', m.members.record[-1]) AS closed_by, if(isNull(closed_at), '', 'arrived') AS closed_as,
    if(m.verdict = 'reversed', m.occurred_at, NULL) AS reversed_at,
    toUInt32(0) AS attempts, toUInt32(0) AS failures, CAST([], 'Array(DateTime64(6, \'UTC\'))') AS failed_at,
    -- A leg that is not there is zero; money that no record has is not known.
    if(arrayAll(amount -> isNull(amount), m.members.amount), NULL, arraySum(arrayMap(
        (leg, worth) -> if(leg = m.members.leg[1], ifNull(worth, 0), 0), m.members.leg, m.members.amount))) AS worth,
    multiIf(m.rank = 2, if(m.code = 'ORPHAN', 0, ifNull(m.expected, worth)), state = 'UNKNOWN', NULL, m.expected) AS expected,
    multiIf(m.rank = 2, if(m.code = 'ORPHAN', ifNull(m.actual, worth), 0), state = 'UNKNOWN', NULL, m.actual) AS actual,
    actual - expected AS residual,
    coalesce(m.point_amount, if(m.rank = 2, worth, abs(residual))) AS amount, m.currency AS currency,
    mapUpdate(m.dims, map('owner', toString(m.owner), 'expectation', toString(m.rule), 'item_type', toString(item_type))) AS dims,
    arrayFilter(s -> mapContains(complete, toString(s)), m.sources) AS proving,
    if(empty(proving), NULL, arrayMax(s -> complete[toString(s)], proving)) AS watermark,
    ifNull(watermark >= m.point_due_at, false) AS covered,
    m.point_due_at <= {as_of:DateTime64(6, 'UTC')} AS is_past_due,
    multiIf(
        m.rank = 4, 'MATCHED',
        m.rank = 3, multiIf(m.verdict = 'reversed', 'REVERSED', m.outcome = 'suggest', 'UNKNOWN', m.verdict = 'matched', 'MATCHED', 'MATCHED_TOL'),
        m.rank = 2, multiIf(NOT is_past_due, if(length(arrayDistinct(m.members.leg)) > 1, 'IN_FLIGHT', 'NOT_DUE'), covered, toString(m.code), 'UNKNOWN'),
        m.verdict IN ('ambiguous', 'unusable'), 'UNKNOWN',
        m.verdict = 'partial', multiIf(NOT is_past_due, 'IN_FLIGHT', covered, 'PARTIAL', 'UNKNOWN'),
        m.code = 'DUP_SUSPECT', 'DUP_SUSPECT',
        'MISMATCH') AS state,
    toUInt8(m.place = 1 AND is_past_due AND state != 'REVERSED' AND m.rank < 4) AS due,
    toUInt8(m.place = 1 AND state IN ('MATCHED', 'MATCHED_TOL')) AS matched,
    toUInt8(state = 'UNKNOWN') AS unknown,
    toUInt8(state IN ('MISSING', 'ORPHAN', 'PARTIAL', 'MISMATCH', 'DUP_SUSPECT')) AS failing,
    CAST(multiIf(
        m.rank = 4, m.since,
        m.rank = 3, if(m.closed_at > m.point_due_at, m.point_due_at, NULL),
        m.rank = 2, if(state IN ('MISSING', 'ORPHAN'), m.point_due_at, NULL),
        m.verdict = 'partial', if(state = 'PARTIAL', greatest(m.point_due_at, m.since), NULL),
        m.since), 'Nullable(DateTime64(6, \'UTC\'))') AS detected_at,
    CAST(multiIf(isNull(detected_at), NULL, m.rank = 4, m.until, m.rank = 3, m.closed_at, NULL),
        'Nullable(DateTime64(6, \'UTC\'))') AS resolved_at,
    -- What the rule ages by: when this point was due, or the day of the oldest record; what was found before, from then.
    least(if(m.aged_from = m.due_at, m.point_due_at, m.aged_from), ifNull(detected_at, m.point_due_at)) AS aged_from,
    toUInt8(m.aged_from != m.due_at AND aged_from = m.aged_from) AS aged_by_day,
    '' AS trace_id, m.calendar AS calendar, m.known_at AS known_at,
    m.verdict AS verdict, m.outcome AS outcome, m.group_key AS group_key, m.pass AS pass, m.item AS item, m.rank AS rank, m.place AS place,
    m.members.leg AS legs, m.members.record AS records, m.members.amount AS amounts, m.header AS header,
    m.leg AS leg, m.field AS field, m.said AS field_expected, m.found AS field_actual,
    m.variance AS variance, m.gates AS gates, m.options AS options, m.margin AS margin, m.nearest AS nearest,
    m.residual AS decided_residual
FROM (
    SELECT
        *,
        points.rank AS rank, points.code AS code, points.field AS field, points.leg AS leg, points.said AS said, points.found AS found,
        points.amount AS point_amount, points.owner AS owner, points.since AS since, points.until AS until,
        points.due_at AS point_due_at, points.sources AS sources, place
    FROM matches_of(
        as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = {items:Array(String)},
        version = {version:String})
    ARRAY JOIN
        points.rank, points.code, points.field, points.leg, points.said, points.found, points.amount, points.owner, points.since, points.until,
        points.due_at, points.sources, arrayEnumerate(points.rank) AS place
) AS m
CROSS JOIN coverage;
