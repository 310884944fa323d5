-- Decides keys of which each leg has one record in one state, and that are plain: one leg only, or legs that agree exactly
-- Says what plain.sql says of them, without looking for the state that stands: it is most keys of most rules.
INSERT INTO matches (
    rule, version, workflow, pass, group_key, item, occurred_at, known_at, evidence, verdict, outcome, final,
    members.leg, members.type, members.record, members.day, members.amount, header, opened_at, due_at, closed_at, lags.from, lags.until,
    expected, actual, residual, currency, points.rank, points.code, points.field, points.leg, points.said, points.found, points.amount,
    points.owner, points.since, points.until, points.due_at, points.sources, gates, options, aged_from, dims, calendar
)
WITH
    {legs:Array(Tuple(name String, type String, many Bool, sources Array(String), owner String))} AS legs,
    {compares:Array(Tuple(name String, means String, place UInt32, expected String, actual String))} AS compares,
    {window:Array(Int32)} AS window,
    {money:Tuple(amount UInt32, quantity UInt32, price UInt32, counted String, expected String, actual String)} AS money,
    toDateTime64({mark:String}, 6, 'UTC') AS mark,
    toDateTime64({until:String}, 6, 'UTC') AS until,
    -- What is compared: its place, and the numbers of the legs that it is compared between.
    arrayMap(c -> (c.place, [indexOf(legs.name, c.expected), indexOf(legs.name, c.actual)]),
        arrayFilter(c -> c.means != 'text', compares)) AS number_sides,
    arrayMap(c -> (c.place, [indexOf(legs.name, c.expected), indexOf(legs.name, c.actual)]),
        arrayFilter(c -> c.means = 'text', compares)) AS text_sides,
    -- What is said of a leg that is not there.
    arrayMap((l, place) -> CAST((l.name, place, if(l.name = legs[1].name, 'ORPHAN', 'MISSING'), l.owner, l.sources),
        'Tuple(name String, place UInt8, code String, owner String, sources Array(String))'), legs, arrayEnumerate(legs)) AS absence,
states AS (
    SELECT
        key, toUInt8(indexOf(legs.name, leg)) AS place, record, occurred_at, known_at, day, currency,
        if({has_amount:Bool}, CAST(numbers[greatest(money.amount, 1)], 'Nullable(Decimal(38, 6))'), worth) AS worth,
        if({has_dims:Bool}, dims, map()) AS dims, counts_from, if({due_is_stored:Bool}, due, []) AS due,
        if({in_business_days:Bool}, business_day, toInt32(day)) AS day_number,
        gone OR {has_original:Bool} AND original != '' OR problem NOT IN ('', 'UNPOSTED') OR {needed:UInt32} > 0 AND isNull(numbers[greatest({needed:UInt32}, 1)]) AS is_odd,
        arrayExists(n -> n < 0, numbers) AS is_negative,
        -- Of each comparison what this leg says, if it is between this one and another.
        arrayMap(c -> if(has(c.2, place), numbers[c.1], NULL), number_sides) AS numbers_said,
        arrayMap(c -> if(has(c.2, place), texts[c.1], NULL), text_sides) AS texts_said,
        arrayExists((n, c) -> isNull(n) AND has(c.2, place), numbers_said, number_sides) AS is_unknown,
        arrayStringConcat(arrayMap(i -> texts[i], {header:Array(UInt32)}), '\x1f') AS header,
        if(money.amount > 0, ifNull(numbers[greatest(money.amount, 1)], 0), 0) AS amount,
        if(money.price > 0, ifNull(numbers[greatest(money.quantity, 1)], 0), 0) AS quantity,
        if(money.price > 0, ifNull(numbers[greatest(money.price, 1)], 0), 0) AS price
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
-- Whether legs agree is known from the least and the most that they say, before anything is put together.
plain AS (
    SELECT
        key,
        arraySort(x -> x.1, groupArray(CAST(
            (place, record, occurred_at, known_at, day, amount, quantity, price, header, currency, worth, dims, day_number, counts_from, due),
            'Tuple(place UInt8, record String, occurred_at DateTime64(6, \'UTC\'), known_at DateTime64(6, \'UTC\'), day Date32,
            amount Decimal(38, 12), quantity Decimal(38, 12), price Decimal(38, 12), header String, currency LowCardinality(String),
            worth Nullable(Decimal(38, 6)), dims Map(LowCardinality(String), String), day_number Int32, counts_from DateTime64(6, \'UTC\'),
            due Array(Tuple(counts_from DateTime64(6, \'UTC\'), due_at DateTime64(6, \'UTC\'), learned_at DateTime64(6, \'UTC\'))))'))) AS states,
        count() AS size,
        min(occurred_at) AS first_at, max(occurred_at) AS last_at, min(known_at) AS first_known_at, max(known_at) AS last_known_at
    FROM states
    GROUP BY key
    HAVING bitCount(groupBitOr(bitShiftLeft(toUInt16(1), place))) = size AND last_known_at > mark AND NOT max(is_odd)
        AND (size = 1 OR (
            NOT max(is_negative) AND NOT max(is_unknown) AND minIf(currency, currency != '') = max(currency)
            AND arrayAll((least, most) -> ifNull(least = most, true), minForEach(numbers_said), maxForEach(numbers_said))
            AND arrayAll((least, most) -> ifNull(least = most, true), minForEach(texts_said), maxForEach(texts_said))
            AND (empty(window) OR arrayAll((x, i) -> arrayAll(
                y -> y - x BETWEEN window[1] AND window[2], arraySlice(states.day_number, i + 1)), states.day_number, arrayEnumerate(states.day_number)))))
),
-- What agrees in the end agreed while a leg was not there yet, so every moment of these keys is plain.
moments AS (
    SELECT
        key,
        first_at = last_at AND first_known_at = last_known_at AS is_one,
        -- Nothing to look through where there is one.
        if(is_one, [], states.occurred_at) AS ats, if(is_one, [], states.known_at) AS knowns,
        arrayJoin(if(is_one, [(last_at, last_known_at)], arrayFilter(
            m -> m.2 > mark AND arrayExists((at, known) -> at = m.1 AND known <= m.2, ats, knowns)
                AND arrayExists((at, known) -> at <= m.1 AND known = m.2, ats, knowns),
            arrayDistinct(arrayFlatten(arrayMap(at -> arrayMap(known -> (at, known), knowns), ats)))))) AS moment,
        moment.1 AS as_of, moment.2 AS as_known_at,
        arrayCount(known -> known <= as_known_at, states.known_at) AS evidence,
        arrayFilter((x, at, known) -> at <= as_of AND known <= as_known_at, states, states.occurred_at, states.known_at) AS records
    FROM plain
),
decided AS (
    SELECT
        *,
        records.place AS present,
        if(length(present) < length(legs), 'open', 'matched') AS verdict,
        arrayMin(records.occurred_at) AS opened_at,
        arrayMax(records.occurred_at) AS complete_at,
        arrayMin(records.counts_from) AS counts_from,
        -- From when the window of each leg counts, and when it is due.
        if({due_is_stored:Bool}, arrayMap(d -> (d.1, d.2), arrayReduce('minForEach', records.due)),
            arrayMap(s -> (counts_from, addSeconds(counts_from, s)), {within_s:Array(Int64)})) AS waits,
        waits.2 AS dues,
        arrayMax(dues) AS due_at,
        if(verdict = 'matched', [], arraySort(
            l -> (dues[l.place], l.code, l.name), arrayFilter(l -> NOT has(present, l.place), absence))) AS absent,
        indexOf(present, indexOf(legs.name, money.expected)) AS expected_at,
        indexOf(present, indexOf(legs.name, money.actual)) AS actual_at
    FROM moments
)
SELECT
    {rule:String}, {version:String}, {workflow:String}, {pass:UInt8}, key, 1, as_of, as_known_at, evidence, verdict,
    if(verdict = 'matched', {clears:String}, 'wait'),
    verdict != 'open' OR {last_pass:Bool},
    arrayMap(p -> legs.name[p], present), arrayMap(p -> legs.type[p], present), records.record, records.day, records.worth,
    records[1].header,
    opened_at, due_at, if(verdict = 'matched', complete_at, NULL),
    if({learns:Bool} AND verdict = 'matched', waits.1, []), if({learns:Bool} AND verdict = 'matched', records.occurred_at, []),
    multiIf(
        money.amount > 0, if(expected_at > 0, CAST(roundBankers(records[expected_at].amount, 6), 'Nullable(Decimal(38, 6))'), NULL),
        money.price > 0 AND verdict = 'matched', CAST(roundBankers(
            toDecimal256(records[indexOf(present, indexOf(legs.name, money.counted))].quantity, 12) * records[actual_at].price, 6), 'Nullable(Decimal(38, 6))'),
        NULL) AS worth_expected,
    multiIf(
        money.amount > 0, if(actual_at > 0, CAST(roundBankers(records[actual_at].amount, 6), 'Nullable(Decimal(38, 6))'), NULL),
        worth_expected) AS worth_actual,
    worth_actual - worth_expected, arrayFirst(c -> c != '', records.currency),
    if(verdict = 'open', arrayMap(l -> 2, absent), [3]) AS ranks,
    if(verdict = 'open', absent.code, [if(complete_at > due_at, 'LATE', '')]),
    if(verdict = 'open', absent.name, [legs.name[records[-1].place]]) AS about, about,
    arrayMap(r -> '', ranks), arrayMap(r -> '', ranks), arrayMap(r -> NULL, ranks),
    if(verdict = 'open', absent.owner, [{owner:String}]),
    if(verdict = 'open', arrayMap(l -> dues[l.place], absent), [due_at]) AS due_ats,
    arrayMap(r -> NULL, ranks), due_ats, if(verdict = 'open', absent.sources, arrayMap(r -> [], ranks)),
    '', '', if({age_by:String} = 'record', toDateTime64(arrayMin(records.day), 6, 'UTC'), due_at),
    records[1].dims,
    {calendar:String}
FROM decided
WHERE (key, as_of, as_known_at, evidence) NOT IN (
    SELECT group_key, occurred_at, known_at, evidence
    FROM matches
    WHERE NOT {fresh:Bool} AND rule = {rule:String} AND version = {version:String} AND pass = {pass:UInt8} AND known_at > mark
        AND known_at <= until AND group_key >= {from_key:String} AND ({to_end:Bool} OR group_key < {to_key:String}))
SETTINGS short_circuit_function_evaluation = 'disable'
