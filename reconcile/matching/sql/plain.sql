-- Decides, set by set, what can be decided without a choice: keys with records of one leg only, and keys whose legs agree exactly
-- One row for each moment (V, K) from which something else holds. A key with any other moment is left to the core.
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
touched AS (
    SELECT key
    FROM match_records
    WHERE stream = stream_of({rule:String}, {version:String}, {pass:UInt8}) AND known_at > mark AND known_at <= until
        AND key >= {from_key:String} AND ({to_end:Bool} OR key < {to_key:String})
        AND (NOT {fresh:Bool} OR key NOT IN (
            SELECT group_key
            FROM matches
            WHERE {fresh:Bool} AND rule = {rule:String} AND version = {version:String} AND pass = {pass:UInt8} AND known_at > mark
                AND known_at <= until AND group_key >= {from_key:String} AND ({to_end:Bool} OR group_key < {to_key:String})))
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
-- All states of all records of a key, those of one record in the order in which they take over from each other.
grouped AS (
    SELECT
        key,
        arraySort(x -> (x.1, x.2, x.3, x.4, x.5, x.6), groupUniqArray(CAST(
            (leg, record, if({pass:UInt8} > 1, origin, ''), occurred_at, known_at, row_hash, gone, day, numbers, if({has_texts:Bool}, texts, []), currency,
            if({has_amount:Bool}, CAST(numbers[greatest(money.amount, 1)], 'Nullable(Decimal(38, 6))'), worth),
            {has_original:Bool} AND original != '' OR problem NOT IN ('', 'UNPOSTED'), if({has_dims:Bool}, dims, map()),
            if({in_business_days:Bool}, business_day, toInt32(day)), counts_from, if({due_is_stored:Bool}, due, []), dated, problem != 'UNPOSTED'),
            'Tuple(leg String, record String, origin String, occurred_at DateTime64(6, \'UTC\'), known_at DateTime64(6, \'UTC\'), row_hash String,
            gone Bool, day Date32, numbers Array(Nullable(Decimal(38, 12))), texts Array(String), currency String,
            worth Nullable(Decimal(38, 6)), odd Bool, dims Map(String, String), day_number Int32, counts_from DateTime64(6, \'UTC\'),
            due Array(Tuple(counts_from DateTime64(6, \'UTC\'), due_at DateTime64(6, \'UTC\'), learned_at DateTime64(6, \'UTC\'))), dated Bool, counts Bool)'))) AS versions
    FROM match_records
    WHERE stream = stream_of({rule:String}, {version:String}, {pass:UInt8}) AND known_at <= until
        AND key IN (SELECT key FROM touched)
    GROUP BY key
),
-- A moment K at which something became known of the key, and each V from which then something else holds.
moments AS (
    SELECT
        key, versions,
        arrayJoin(arrayFilter(t -> t > mark, arrayDistinct(versions.known_at))) AS as_known_at,
        arrayFilter(x -> x.known_at <= as_known_at, versions) AS known,
        length(known) AS evidence,
        arrayMin(arrayMap(x -> x.occurred_at, arrayFilter(x -> x.known_at = as_known_at, known))) AS since,
        arrayJoin(arrayDistinct(known.occurred_at)) AS as_of
    FROM grouped
),
standing AS (
    SELECT
        key, as_known_at, as_of, since, evidence,
        -- Of several for one business time only the last was ever so.
        arrayFilter((x, i) -> x.occurred_at <= as_of AND (known[i + 1].leg, known[i + 1].record, known[i + 1].origin, known[i + 1].occurred_at)
            != (x.leg, x.record, x.origin, x.occurred_at), known, arrayEnumerate(known)) AS seen,
        -- The last state of each record, legs in the order of the rule.
        arrayFilter((x, i) -> NOT x.gone AND (seen[i + 1].leg, seen[i + 1].record, seen[i + 1].origin) != (x.leg, x.record, x.origin),
            seen, arrayEnumerate(seen)) AS last_states,
        -- What the rule does not ask for may have changed since: a record is of the time from which it says what it says, and of the day
        -- it was first there when it names none.
        arraySort(x -> (indexOf(legs.name, x.leg), x.day, x.record), if(length(seen) = length(last_states), last_states, arrayMap(
            (r, own, others) -> CAST((
                r.leg, r.record, r.origin,
                own[1 + arrayLastIndex(x -> x.gone OR (x.numbers, x.texts, x.currency, x.odd, if(x.dated, toInt32(x.day), 0))
                    != (r.numbers, r.texts, r.currency, r.odd, if(r.dated, toInt32(r.day), 0)), own)].occurred_at,
                r.known_at, r.row_hash, r.gone,
                if(r.dated, r.day, arrayMin(x -> x.day, others)),
                r.numbers, r.texts, r.currency, r.worth, r.odd, r.dims,
                if(r.dated, r.day_number, arrayMin(x -> x.day_number, others)),
                r.counts_from, r.due, r.dated, r.counts), toTypeName(r)),
            last_states,
            arrayMap(r -> arrayFilter(x -> (x.leg, x.record, x.origin) = (r.leg, r.record, r.origin), seen), last_states),
            arrayMap(r -> arrayFilter(x -> (x.leg, x.record) = (r.leg, r.record) AND x.counts AND NOT x.dated, seen), last_states)))) AS records
    FROM moments
),
judged AS (
    SELECT
        *,
        -- Narrow columns: what a lambda reads is copied for each element of what it runs over.
        records.leg AS their_legs, records.numbers AS their_numbers, records.texts AS their_texts,
        arrayDistinct(their_legs) AS present,
        arrayFilter((d, l) -> l = their_legs[1], records.day_number, their_legs) AS first_days,
        arrayFilter((d, l) -> l != their_legs[1], records.day_number, their_legs) AS other_days,
        multiIf(
            empty(records), 'none',
            has(records.odd, true), '',
            {needed:UInt32} > 0 AND arrayExists(n -> isNull(n[greatest({needed:UInt32}, 1)]), records.numbers), '',
            -- Since when a record is there that several earlier keys left open.
            {pass:UInt8} > 1 AND length(arrayDistinct(arrayMap(x -> (x.leg, x.record), seen)))
                != length(arrayDistinct(arrayMap(x -> (x.leg, x.record, x.origin), seen))), '',
            -- Something may take something back, or sums would mix currencies.
            length(their_legs) > 1 AND arrayExists(numbers -> arrayExists(n -> n < 0, numbers), their_numbers), '',
            length(arrayDistinct(arrayFilter(c -> c != '', records.currency))) > 1, '',
            length(their_legs) > length(present) AND arrayExists(l -> NOT l.many AND countEqual(their_legs, l.name) > 1, legs), '',
            NOT empty(window) AND NOT empty(other_days)
                AND (arrayMin(other_days) - arrayMax(first_days) < window[1]
                    OR arrayMax(other_days) - arrayMin(first_days) > window[2]), '',
            length(present) > 1 AND NOT arrayAll(c -> NOT has(present, c.expected) OR NOT has(present, c.actual) OR multiIf(
                c.means = 'text', length(arrayDistinct(arrayFilter((t, l) -> l IN (c.expected, c.actual),
                    arrayMap(t -> t[c.place], their_texts), their_legs))) = 1,
                arrayExists((n, l) -> l IN (c.expected, c.actual) AND isNull(n[c.place]), their_numbers, their_legs), false,
                c.means = 'price', length(arrayDistinct(arrayFilter((n, l) -> l IN (c.expected, c.actual),
                    arrayMap(n -> n[c.place], their_numbers), their_legs))) = 1,
                arraySum(arrayMap((n, l) -> multiIf(l = c.expected, ifNull(n[c.place], 0), l = c.actual, -ifNull(n[c.place], 0), 0),
                    their_numbers, their_legs)) = 0), compares), '',
            length(present) < length(legs), 'open',
            'matched') AS verdict
    FROM standing
),
decided AS (
    SELECT
        *,
        if(length(seen) = length(records), records, arrayFilter(
            x -> NOT x.gone AND arrayExists(r -> (r.leg, r.record) = (x.leg, x.record), records), seen)) AS lives,
        arrayMin(lives.occurred_at) AS opened_at,
        -- From the date that a record has now, or from when it was first there, under whatever key.
        if(length(seen) = length(records), records, arrayFilter(
            x -> x.counts AND arrayExists(r -> (r.leg, r.record) = (x.leg, x.record), records), seen)) AS told,
        arrayMap(r -> (r.leg, r.record), arrayFilter(r -> r.dated, records)) AS dated_now,
        if(NOT has(told.dated, true), told, arrayConcat(
            arrayFilter(r -> r.dated, records), arrayFilter(x -> NOT x.dated AND NOT has(dated_now, (x.leg, x.record)), told))) AS openers,
        arrayMin(openers.counts_from) AS counts_from,
        -- From when the window of each leg counts, and when it is due.
        if({due_is_stored:Bool}, arrayMap(d -> (d.1, d.2), arrayReduce('minForEach', openers.due)),
            arrayMap(s -> (counts_from, addSeconds(counts_from, s)), {within_s:Array(Int64)})) AS waits,
        waits.2 AS dues,
        arraySort(l -> (dues[indexOf(legs.name, l.name)], if(l.name = legs[1].name, 'ORPHAN', 'MISSING'), l.name),
            arrayFilter(l -> NOT has(present, l.name), legs)) AS absent,
        arrayMax(dues) AS due_at
    FROM judged
    QUALIFY min(verdict != '') OVER (PARTITION BY key)
)
SELECT
    {rule:String}, {version:String}, {workflow:String}, {pass:UInt8}, key, 1, as_of, as_known_at, evidence, verdict,
    multiIf(verdict = 'matched', {clears:String}, verdict = 'open', 'wait', 'none'),
    verdict != 'open' OR {last_pass:Bool},
    records.leg, arrayMap(x -> legs.type[indexOf(legs.name, x.leg)], records), records.record, records.day, records.worth,
    arrayStringConcat(arrayMap(i -> records[1].texts[i], {header:Array(UInt32)}), '\x1f'),
    opened_at, due_at, if(verdict = 'matched', arrayMax(records.occurred_at), NULL),
    if({learns:Bool} AND verdict = 'matched', waits.1, []),
    if({learns:Bool} AND verdict = 'matched', arrayMap(l -> arrayMax(arrayMap(x -> x.occurred_at, arrayFilter(x -> x.leg = l.name, records))), legs), []),
    multiIf(
        money.amount > 0, if(has(present, money.expected), CAST(roundBankers(arraySum(arrayMap(x -> ifNull(x.numbers[greatest(money.amount, 1)], 0),
            arrayFilter(x -> x.leg = money.expected, records))), 6), 'Nullable(Decimal(38, 6))'), NULL),
        money.price > 0 AND verdict = 'matched', CAST(roundBankers(
            toDecimal256(arraySum(arrayMap(x -> ifNull(x.numbers[greatest(money.quantity, 1)], 0), arrayFilter(x -> x.leg = money.counted, records))), 12)
            * ifNull(arrayFirst(x -> x.leg = money.actual, records).numbers[greatest(money.price, 1)], 0), 6), 'Nullable(Decimal(38, 6))'),
        NULL) AS worth_expected,
    multiIf(
        money.amount > 0, if(has(present, money.actual), CAST(roundBankers(arraySum(arrayMap(x -> ifNull(x.numbers[greatest(money.amount, 1)], 0),
            arrayFilter(x -> x.leg = money.actual, records))), 6), 'Nullable(Decimal(38, 6))'), NULL),
        worth_expected) AS worth_actual,
    worth_actual - worth_expected, arrayFirst(c -> c != '', records.currency),
    -- Each leg that is not there, or the whole.
    multiIf(verdict = 'open', arrayMap(l -> 2, absent), verdict = 'matched', [3], []) AS ranks,
    multiIf(verdict = 'open', arrayMap(l -> if(l.name = legs[1].name, 'ORPHAN', 'MISSING'), absent),
        verdict = 'matched', [if(arrayMax(records.occurred_at) > due_at, 'LATE', '')], []),
    multiIf(verdict = 'open', absent.name, verdict = 'matched', [records[-1].leg], []) AS about, about,
    arrayMap(r -> '', ranks), arrayMap(r -> '', ranks), arrayMap(r -> NULL, ranks),
    multiIf(verdict = 'open', absent.owner, verdict = 'matched', [{owner:String}], []),
    multiIf(verdict = 'open', arrayMap(l -> dues[indexOf(legs.name, l.name)], absent), verdict = 'matched', [due_at], []) AS due_ats,
    arrayMap(r -> NULL, ranks), due_ats, if(verdict = 'open', absent.sources, arrayMap(r -> [], ranks)),
    '', '', if({age_by:String} = 'record', toDateTime64(arrayMin(records.day), 6, 'UTC'), due_at),
    if(empty(records), map(), records[1].dims),
    {calendar:String}
FROM decided
WHERE as_of >= since
    AND (key, as_of, as_known_at, evidence) NOT IN (
        SELECT group_key, occurred_at, known_at, evidence
        FROM matches
        WHERE NOT {fresh:Bool} AND rule = {rule:String} AND version = {version:String} AND pass = {pass:UInt8} AND known_at > mark
            AND known_at <= until AND group_key >= {from_key:String} AND ({to_end:Bool} OR group_key < {to_key:String}))
