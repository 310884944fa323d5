-- Decides keys of a rule of two legs that each have one record in one state, and that are plain: one leg only, or legs that agree
-- Says what plain.sql says of them. One join and no sets: it is most keys of most rules. Where the rule compares one amount
-- and allows no difference it also decides keys whose amounts differ, and says of them what the core says.
INSERT INTO matches (
    rule, version, workflow, pass, group_key, item, occurred_at, known_at, evidence, verdict, outcome, final,
    members.leg, members.type, members.record, members.day, members.amount, header, opened_at, due_at, closed_at, lags.from, lags.until,
    expected, actual, residual, currency, points.rank, points.code, points.field, points.leg, points.said, points.found, points.amount,
    points.owner, points.since, points.until, points.due_at, points.sources, gates, options, aged_from, dims, calendar, variance
)
WITH
    {legs:Array(Tuple(name String, type String, many Bool, sources Array(String), owner String))} AS legs,
    {compares:Array(Tuple(name String, means String, place UInt32, expected String, actual String))} AS compares,
    {window:Array(Int32)} AS window,
    {money:Tuple(amount UInt32, quantity UInt32, price UInt32, counted String, expected String, actual String)} AS money,
    {differing:Tuple(decided Bool, owner String, rounding String, fails String, waits Array(String))} AS differing,
    toDateTime64({mark:String}, 6, 'UTC') AS mark,
    toDateTime64({until:String}, 6, 'UTC') AS until,
    arrayMap(c -> c.place, arrayFilter(c -> c.means != 'text', compares)) AS compared_numbers,
    arrayMap(c -> c.place, arrayFilter(c -> c.means = 'text', compares)) AS compared_texts,
touched AS (
    SELECT leg, key, record, occurred_at, known_at, day, numbers, texts, currency, dims, counts_from, due,
        if({has_amount:Bool}, CAST(numbers[greatest(money.amount, 1)], 'Nullable(Decimal(38, 6))'), worth) AS worth,
        business_day, gone, {has_original:Bool} AND original != '' AS takes_back, problem
    FROM match_records
    WHERE stream = stream_of({rule:String}, {version:String}, {pass:UInt8}) AND known_at <= until
        AND key >= {from_key:String} AND ({to_end:Bool} OR key < {to_key:String})
        AND ({everything:Bool} OR key IN (
            SELECT key FROM match_records
            WHERE stream = stream_of({rule:String}, {version:String}, {pass:UInt8}) AND known_at > mark AND known_at <= until))
        -- What people decided of a record, only the core knows.
        AND key NOT IN (
            SELECT key
            FROM match_records
            WHERE {by_hand:Bool} AND stream = stream_of({rule:String}, {version:String}, {pass:UInt8})
                AND record_hash IN (
                    SELECT cityHash64(leg, record)
                    FROM match_acts
                    ARRAY JOIN members.leg AS leg, members.record AS record
                    WHERE {by_hand:Bool} AND rule = {rule:String} AND known_at <= until))
),
-- By hash, which is half of the work; a key that shares the hash of one that is left out is left out as well.
left_out AS (
    SELECT cityHash64(key) AS its_hash
    FROM touched
    GROUP BY its_hash
    HAVING count() != uniqExact(leg) OR max(gone OR takes_back OR problem NOT IN ('', 'UNPOSTED')
        OR {needed:UInt32} > 0 AND isNull(numbers[greatest({needed:UInt32}, 1)]))
),
states AS (
    SELECT
        leg, key, true AS there, record, occurred_at, known_at, day, worth, currency, dims,
        -- From when the window of each leg counts, and when it is due.
        if({due_is_stored:Bool}, (due[1].1, due[1].2), (counts_from, addSeconds(counts_from, {within_s:Array(Int64)}[1]))) AS due_1,
        if({due_is_stored:Bool}, (due[2].1, due[2].2), (counts_from, addSeconds(counts_from, {within_s:Array(Int64)}[2]))) AS due_2,
        if({in_business_days:Bool}, business_day, toInt32(day)) AS day_number,
        arrayStringConcat(arrayMap(i -> texts[i], {header:Array(UInt32)}), '\x1f') AS header,
        arrayMap(i -> numbers[i], compared_numbers) AS numbers_said,
        arrayMap(i -> texts[i], compared_texts) AS texts_said,
        arrayExists(n -> n < 0, numbers) OR has(numbers_said, NULL) AS is_for_the_core,
        if(money.amount > 0, numbers[greatest(money.amount, 1)], NULL) AS amount,
        if(money.price > 0, numbers[greatest(money.quantity, 1)], NULL) AS quantity,
        if(money.price > 0, numbers[greatest(money.price, 1)], NULL) AS price
    FROM touched
    WHERE cityHash64(key) NOT IN (SELECT its_hash FROM left_out)
),
joined AS (
    SELECT
        if(a.there, a.key, b.key) AS group_key, a.there AS first_there, b.there AS second_there,
        a.record AS first_record, b.record AS second_record, a.occurred_at AS first_at, b.occurred_at AS second_at,
        a.known_at AS first_known_at, b.known_at AS second_known_at, a.day AS first_day, b.day AS second_day,
        a.worth AS first_worth, b.worth AS second_worth, a.currency AS first_currency, b.currency AS second_currency,
        a.dims AS first_dims, b.dims AS second_dims, a.header AS first_header, b.header AS second_header,
        a.due_1 AS due_1_by_first, b.due_1 AS due_1_by_second, a.due_2 AS due_2_by_first, b.due_2 AS due_2_by_second,
        if(legs[1].name = money.expected, a.amount, b.amount) AS said_expected,
        if(legs[1].name = money.actual, a.amount, b.amount) AS said_actual,
        if(legs[1].name = money.counted, a.quantity, b.quantity) AS counted,
        if(legs[1].name = money.actual, a.price, b.price) AS price,
        first_there AND second_there AS ever_both,
        NOT ever_both OR a.numbers_said = b.numbers_said AS numbers_agree,
        greatest(first_at, second_at) AS complete_at,
        greatest(first_known_at, second_known_at) AS complete_known_at
    FROM (SELECT * FROM states WHERE leg = legs[1].name) AS a
    FULL JOIN (SELECT * FROM states WHERE leg = legs[2].name) AS b ON a.key = b.key
    WHERE NOT ever_both OR (
        NOT a.is_for_the_core AND NOT b.is_for_the_core AND a.currency = b.currency AND a.texts_said = b.texts_said
        AND (differing.decided OR numbers_agree)
        AND (empty(window) OR b.day_number - a.day_number BETWEEN window[1] AND window[2]))
),
-- Something else holds from what the first leg says on, from what the second says, and, where one is known later and
-- happened earlier, from the later of both times on. What agrees in the end agreed while a leg was not there yet.
moments AS (
    SELECT
        *,
        arrayJoin(multiIf(
            NOT second_there, [1],
            NOT first_there, [2],
            first_at = second_at AND first_known_at = second_known_at, [1],
            (complete_at, complete_known_at) IN ((first_at, first_known_at), (second_at, second_known_at)), [1, 2],
            [1, 2, 3])) AS number,
        multiIf(number = 1, first_at, number = 2, second_at, complete_at) AS as_of,
        multiIf(number = 1, first_known_at, number = 2, second_known_at, complete_known_at) AS as_known_at,
        first_there AND first_known_at <= as_known_at AS first_known,
        second_there AND second_known_at <= as_known_at AS second_known,
        first_known AND first_at <= as_of AS has_first,
        second_known AND second_at <= as_of AS has_second,
        has_first AND has_second AS has_both
    FROM joined
    WHERE as_known_at > mark
),
decided AS (
    SELECT
        *,
        first_known + second_known AS evidence,
        multiIf(NOT has_both, 'open', numbers_agree, 'matched', 'mismatch') AS verdict,
        multiIf(has_both, least(due_1_by_first, due_1_by_second), has_first, due_1_by_first, due_1_by_second) AS first_leg,
        multiIf(has_both, least(due_2_by_first, due_2_by_second), has_first, due_2_by_first, due_2_by_second) AS second_leg,
        first_leg.2 AS first_due, second_leg.2 AS second_due,
        greatest(first_due, second_due) AS due_at,
        -- The leg that is there or the first, and the one that is not there or the last.
        if(has_first, 1, 2) AS begins, if(has_first, 2, 1) AS about,
        ifNull(said_expected, 0) AS amount_expected, ifNull(said_actual, 0) AS amount_actual,
        -- Of the few that differ: a function over an array does nothing for the others.
        if(verdict = 'mismatch', [(amount_expected, amount_actual)], []) AS differences
    FROM moments
)
SELECT
    {rule:String}, {version:String}, {workflow:String}, {pass:UInt8}, group_key, 1, as_of, as_known_at, evidence, verdict,
    multiIf(verdict = 'matched', {clears:String}, verdict = 'open', 'wait', 'except'),
    verdict != 'open' OR {last_pass:Bool},
    multiIf(has_both, [legs[1].name, legs[2].name], has_first, [legs[1].name], [legs[2].name]),
    multiIf(has_both, [legs[1].type, legs[2].type], has_first, [legs[1].type], [legs[2].type]),
    multiIf(has_both, [first_record, second_record], has_first, [first_record], [second_record]),
    multiIf(has_both, [first_day, second_day], has_first, [first_day], [second_day]),
    multiIf(has_both, [first_worth, second_worth], has_first, [first_worth], [second_worth]),
    if(has_first, first_header, second_header),
    multiIf(has_both, least(first_at, second_at), has_first, first_at, second_at),
    due_at,
    if(verdict = 'matched', complete_at, NULL),
    if({learns:Bool} AND verdict = 'matched', [first_leg.1, second_leg.1], []),
    if({learns:Bool} AND verdict = 'matched', [first_at, second_at], []),
    multiIf(
        money.amount > 0, if(has_both OR legs[begins].name = money.expected, CAST(roundBankers(amount_expected, 6), 'Nullable(Decimal(38, 6))'), NULL),
        money.price > 0 AND verdict = 'matched', CAST(roundBankers(toDecimal256(ifNull(counted, 0), 12) * ifNull(price, 0), 6), 'Nullable(Decimal(38, 6))'),
        NULL) AS worth_expected,
    if(money.amount > 0, if(has_both OR legs[begins].name = money.actual, CAST(roundBankers(amount_actual, 6), 'Nullable(Decimal(38, 6))'), NULL),
        worth_expected) AS worth_actual,
    worth_actual - worth_expected AS worth_residual,
    if(has_first, first_currency, second_currency),
    [multiIf(verdict = 'open', 2, verdict = 'matched', 3, 1)],
    [multiIf(verdict = 'mismatch', 'AMOUNT', verdict = 'open', if(has_first, 'MISSING', 'ORPHAN'), complete_at > due_at, 'LATE', '')],
    [if(verdict = 'mismatch', compares[1].name, legs[about].name)],
    [if(verdict = 'mismatch', compares[1].actual, legs[about].name)],
    if(verdict = 'mismatch', arrayMap(d -> toString(d.1), differences), ['']),
    if(verdict = 'mismatch', arrayMap(d -> toString(d.2), differences), ['']),
    if(verdict = 'mismatch', arrayMap(d -> CAST(roundBankers(abs(d.2 - d.1), 6), 'Nullable(Decimal(38, 6))'), differences), [NULL]),
    [multiIf(verdict = 'mismatch', differing.owner, verdict = 'open', legs[about].owner, {owner:String})],
    [multiIf(verdict = 'mismatch', complete_at, verdict = 'matched', due_at, has_first, second_due, first_due)],
    [NULL],
    [multiIf(verdict != 'open', due_at, has_first, second_due, first_due)],
    [if(verdict = 'open', legs[about].sources, [])],
    multiIf(
        numbers_agree, '',
        verdict = 'open', differing.waits[begins],
        arrayStringConcat(arrayMap(d -> concat(
            differing.fails, '"expected":"', toString(d.1), '","actual":"', toString(d.2), '","passed":false,"difference":"',
            toDecimalString(d.2 - d.1, 12), '","allowed":"0"}]'), differences))),
    if(numbers_agree, '', '[]'),
    if({age_by:String} = 'record', toDateTime64(multiIf(has_both, least(first_day, second_day), has_first, first_day, second_day), 6, 'UTC'), due_at),
    if(has_first, first_dims, second_dims),
    {calendar:String},
    CAST(arrayFilter(v -> v.2 != 0, arrayMap(
        d -> (if(abs(worth_residual) <= toDecimal128(differing.rounding, 12), 'rounding', 'unexplained'), ifNull(worth_residual, 0)), differences)),
        'Map(LowCardinality(String), Decimal(38, 6))')
FROM decided
WHERE (group_key, as_of, as_known_at, evidence) NOT IN (
    SELECT group_key, occurred_at, known_at, evidence
    FROM matches
    WHERE NOT {fresh:Bool} AND rule = {rule:String} AND version = {version:String} AND pass = {pass:UInt8} AND known_at > mark
        AND known_at <= until AND group_key >= {from_key:String} AND ({to_end:Bool} OR group_key < {to_key:String}))
SETTINGS short_circuit_function_evaluation = 'disable'
