-- One verdict per expectation of some items (all, when `items` is empty) as of (V, K): those of workflows, then those of matching
-- rules. States and their meaning: docs/reference/states.md.
CREATE OR REPLACE VIEW expectation_verdicts_of AS
WITH
toDateTime64(0, 6, 'UTC') AS never,
marks_known AS (
    SELECT source, max(complete_through) AS complete_through
    FROM watermarks
    WHERE known_at <= {known_at:DateTime64(6, 'UTC')}
    GROUP BY source
),
-- One row; the map is small: a source each.
coverage AS (
    SELECT mapFromArrays(groupArray(toString(source)), groupArray(complete_through)) AS complete FROM marks_known
),
-- Of each stretch in which a source was heard, until when: of this one, or of a longer one that it is part of.
heard AS (
    SELECT
        toString(source) AS heard_source, heard_from AS stretch_from,
        max(max(heard_through)) OVER (PARTITION BY source ORDER BY heard_from ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS heard_through
    FROM telemetry_heard
    WHERE known_at <= {known_at:DateTime64(6, 'UTC')}
    GROUP BY source, heard_from
),
-- Money of an item whose opening event names none: what its system says.
worth AS (
    SELECT
        object_type, object_key,
        argMax(tuple(amount), (valid_from, known_at, row_hash)).1 AS state_amount,
        argMax(currency, (valid_from, known_at, row_hash)) AS state_currency
    FROM snapshots
    WHERE valid_from <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
        AND (empty({items:Array(String)}) OR object_key IN {items:Array(String)})
    GROUP BY object_type, object_key
),
facts AS (
    SELECT
        e.*, w.state_amount AS state_amount, w.state_currency AS state_currency,
        arrayFilter(s -> mapContains(complete, toString(s)), e.sources) AS proving,
        if(empty(proving), NULL, arrayMax(s -> complete[toString(s)], proving)) AS watermark,
        ifNull(watermark >= e.due_at, false) AND (e.kind != 'traced' OR h.heard_through >= e.due_at) AS covered,
        e.due_at <= {as_of:DateTime64(6, 'UTC')} AS is_past_due,
        l.leg_currency AS leg_currency, l.history AS history, history[-1] AS legs,
        legs.3 AS expected_members, legs.4 AS actual_members,
        -- A leg without members is zero; a member without amount, or two currencies, and nothing can be said.
        if(legs.2, legs.5, NULL) AS expected,
        if(legs.2, legs.6, NULL) AS actual,
        actual - expected AS residual,
        greatest(e.tolerance_abs, CAST(e.tolerance_pct * abs(expected) / 100, 'Nullable(Decimal(38, 6))')) AS tolerated
    FROM expectations_of(
        as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = {items:Array(String)}) AS e
    LEFT JOIN (
        SELECT * EXCEPT (workflow, version, expectation, item_type, item_key),
            workflow AS leg_workflow, version AS leg_version, expectation AS leg_expectation,
            item_type AS leg_item_type, item_key AS leg_item_key
        FROM leg_sums_of(
            as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = {items:Array(String)})
    ) AS l
        ON leg_workflow = e.workflow AND leg_version = e.version AND leg_expectation = e.expectation
        AND leg_item_type = e.item_type AND leg_item_key = e.item_key
    LEFT JOIN worth AS w ON w.object_type = e.item_type AND w.object_key = e.item_key
    CROSS JOIN coverage
    ASOF LEFT JOIN heard AS h ON h.heard_source = e.heard_source AND h.stretch_from <= e.heard_from
),
judged AS (
    SELECT
        *,
        multiIf(
            kind = 'once', if(isNotNull(reversed_at), 'REVERSED', 'DUP_CONFIRMED'),
            kind = 'precedence', multiIf(closed_as = 'arrived', 'MATCHED', covered, 'ORPHAN', 'UNKNOWN'),
            kind = 'tie_out', multiIf(
                NOT is_past_due, 'IN_FLIGHT',
                expected_members = 0, if(covered, 'ORPHAN', 'UNKNOWN'),
                isNull(residual), 'UNKNOWN',
                residual = 0, 'MATCHED',
                abs(residual) <= tolerated, 'MATCHED_TOL',
                residual > 0, 'MISMATCH',
                NOT covered, 'UNKNOWN',
                actual_members = 0, 'MISSING',
                'PARTIAL'),
            closed_as = 'arrived', if(isNotNull(reversed_at), 'REVERSED', 'MATCHED'),
            closed_as = 'voided', 'VOID',
            closed_as = 'written_off', 'WRITTEN_OFF',
            NOT is_past_due, if(failures > 0, 'IN_FLIGHT', 'NOT_DUE'),
            covered, if(kind = 'traced', 'ORPHAN', 'MISSING'),
            'UNKNOWN') AS state
    FROM facts
),
-- Of a tie-out, from when to when it failed last. What cannot be told at some moment changes nothing.
told AS (
    SELECT
        *,
        arrayFold(
            (spell, turn) -> multiIf(
                turn.2 = 'failing' AND (spell.1 = never OR spell.2 != never), (turn.1, never),
                turn.2 = 'agrees' AND spell.1 != never AND spell.2 = never, (spell.1, turn.1),
                spell),
            if(kind = 'tie_out' AND is_past_due AND state != 'UNKNOWN',
                arrayMap(
                    h -> (greatest(h.1, due_at), multiIf(
                        h.3 = 0, if(covered, 'failing', ''),
                        NOT h.2, '',
                        abs(h.6 - h.5) <= greatest(tolerance_abs, CAST(tolerance_pct * abs(h.5) / 100, 'Decimal(38, 6)')), 'agrees',
                        h.6 > h.5 OR covered, 'failing',
                        '')),
                    -- Of what was before it was due, only what still held then; before the first member came, there was none.
                    arrayFilter((h, next) -> next > due_at,
                        arrayPushFront(history, (never, false, 0, 0, CAST(0, 'Decimal(38, 6)'), CAST(0, 'Decimal(38, 6)'))),
                        arrayPushBack(arrayMap(h -> h.1, history), toDateTime64('2299-12-31', 6, 'UTC')))),
                []),
            (never, never)) AS spell
    FROM judged
),
noticed AS (
    SELECT
        *,
        multiIf(
            kind = 'once', opened_at,
            kind = 'precedence', if(state = 'UNKNOWN', NULL, opened_at),
            kind = 'tie_out', nullIf(spell.1, never),
            NOT is_past_due, NULL,
            isNotNull(closed_at), if(closed_at > due_at, due_at, NULL),
            state IN ('MISSING', 'ORPHAN'), due_at,
            NULL) AS detected_at
    FROM told
)
SELECT
    workflow, version, expectation, kind, code, clock, owner, item_type, item_key,
    lower(hex(sipHash128(workflow, expectation, item_type, item_key, opened_by))) AS exception_id,
    opened_at, opened_by, opened_step, due_at, closed_at, closed_by, closed_as, reversed_at,
    attempts, failures, failed_at, expected, actual, residual,
    multiIf(kind = 'tie_out', abs(residual), isNull(amount), state_amount, amount) AS amount,
    multiIf(kind = 'tie_out', leg_currency, isNull(noticed.amount), state_currency, currency) AS currency,
    mapUpdate(dims, map('owner', toString(owner), 'expectation', toString(expectation), 'item_type', toString(item_type))) AS dims,
    watermark, covered, state,
    toUInt8(kind IN ('sequence', 'reference', 'tie_out', 'landed') AND is_past_due
        AND state NOT IN ('VOID', 'DUP_CONFIRMED', 'REVERSED')) AS due,
    toUInt8(state IN ('MATCHED', 'MATCHED_TOL')) AS matched,
    toUInt8(state = 'UNKNOWN') AS unknown,
    toUInt8(state IN ('MISSING', 'ORPHAN', 'DUP_CONFIRMED', 'PARTIAL', 'MISMATCH')) AS failing,
    detected_at,
    multiIf(
        isNull(detected_at), NULL,
        kind = 'once', reversed_at,
        kind = 'tie_out', nullIf(spell.2, never),
        closed_at) AS resolved_at,
    -- What came twice or too early is due at no time.
    if(kind IN ('once', 'precedence'), opened_at, due_at) AS aged_from, toUInt8(0) AS aged_by_day,
    CAST(map(), 'Map(LowCardinality(String), Decimal(38, 6))') AS variance,
    trace_id, calendar, known_at
FROM noticed;

-- The verdicts of expectations and those of matching rules.
CREATE OR REPLACE VIEW verdicts_of AS
SELECT
    workflow, version, expectation, kind, code, clock, owner, item_type, item_key, exception_id,
    opened_at, opened_by, opened_step, due_at, closed_at, closed_by, closed_as, reversed_at,
    attempts, failures, failed_at, expected, actual, residual, amount, currency, dims, watermark, covered, state,
    due, matched, unknown, failing, detected_at, resolved_at, aged_from, aged_by_day, variance, trace_id, calendar, known_at
FROM expectation_verdicts_of(
    as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = {items:Array(String)})
UNION ALL
SELECT
    workflow, version, expectation, kind, code, clock, owner, item_type, item_key, exception_id,
    opened_at, opened_by, opened_step, due_at, closed_at, closed_by, closed_as, reversed_at,
    attempts, failures, failed_at, expected, actual, residual, amount, currency, dims, watermark, covered, state,
    due, matched, unknown, failing, detected_at, resolved_at, aged_from, aged_by_day, variance, trace_id, calendar, known_at
FROM match_verdicts_of(
    as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = {items:Array(String)},
    version = '');
