-- Records of one leg that became known since the mark, as the rule sees them: keys, numbers, texts
INSERT INTO match_records (
    rule, version, pass, key, leg, record, origin, occurred_at, known_at, row_hash, gone, day, numbers, texts, currency, rate, worth,
    original, problem, keys, dims, counts_from, due, dated, business_day
)
WITH
    {gates:Array(Tuple(field String, allowed Array(String)))} AS gates,
    {passes:Array(Array(Tuple(field String, before Array(String), lookup String, after Array(String))))} AS passes,
    {texts:Array(Tuple(field String, before Array(String), lookup String, after Array(String)))} AS text_parts,
    {original:Array(Tuple(field String, before Array(String), lookup String, after Array(String)))} AS original_parts,
    -- All that is looked up, and the place and length of each key in it.
    arrayConcat(original_parts, text_parts, arrayFlatten(passes)) AS all_parts,
    arrayMap((pass, end) -> (toUInt32(length(original_parts) + length(text_parts) + end - length(pass) + 1), toUInt32(length(pass))),
        passes, arrayCumSum(arrayMap(pass -> length(pass), passes))) AS places,
    {numbers:Array(Tuple(field String, unit Array(String), factors String, per Bool, currency String, rates String))} AS number_parts,
    {lookups:Array(Tuple(name String, table String, code Tuple(field String, before Array(String), lookup String, after Array(String))))} AS lookups,
    toDateTime64({mark:String}, 6, 'UTC') AS mark,
    toDateTime64({until:String}, 6, 'UTC') AS until,
    -- What each table says: the values of all, and for each of them what it means when. The first stands for nothing found.
    (
        SELECT (groupArray(name_and_value), groupArray(meanings))
        FROM (
            SELECT '' AS name_and_value, [(toDate32('1900-01-01'), toDate32('1900-01-01'), '')] AS meanings
            UNION ALL
            SELECT concat(name, '\0', value), groupArray((valid_from, valid_until, result))
            FROM matching_tables
            WHERE (name, version) IN {tables:Array(Tuple(String, String))}
            GROUP BY name, value
        )
    ) AS said,
    said.1 AS names, said.2 AS meanings,
events_of_leg AS (
    SELECT
        event_id, occurred_at, known_at, objects.key[indexOf(objects.type, {item:String})] AS item_key,
        mapUpdate(mapUpdate(mapUpdate(dims, attributes),
            mapFromArrays(arrayMap(t -> concat('@object:', t), arrayDistinct(objects.type)),
                arrayMap(t -> objects.key[indexOf(objects.type, t)], arrayDistinct(objects.type)))),
            map('@key', event_id, '@amount', ifNull(toString(amount), ''), '@currency', toString(currency))) AS f
    FROM events
    WHERE {step:String} != '' AND workflow = {workflow:String} AND step = {step:String} AND outcome != 'failed'
),
states AS (
    SELECT
        object_key AS record, valid_from AS occurred_at, known_at, row_hash, deleted,
        mapUpdate(fields, map('@key', object_key, '@amount', ifNull(toString(amount), ''), '@currency', toString(currency))) AS f
    FROM snapshots
    WHERE {step:String} = '' AND object_type = {type:String} AND {system:String} IN ('', system) AND known_at > mark AND known_at <= until
    UNION ALL
    SELECT event_id, occurred_at, known_at, '', false, f
    FROM events_of_leg
    WHERE known_at > mark AND known_at <= until
{voided}
),
dated AS (
    SELECT
        record, occurred_at, known_at,
        -- Enough to tell states of one record apart, in the order of the whole.
        substring(states.row_hash, 1, 16) AS row_hash, f,
        arrayAll(g -> has(g.allowed, f[g.field]), gates) AS counts, deleted OR NOT counts AS gone,
        -- What a rule does not ask for is not looked up: a constant condition leaves nothing of the other side.
        if({date:String} = '', '', f[{date:String}]) AS day_text,
        -- 03/04/2026 is one day or another, as the leg says; a part of a date is none, the engine would make it one of this year.
        if({date:String} = '', CAST(NULL, 'Nullable(DateTime64(6, \'UTC\'))'), multiIf(
            match(day_text, '^\\s*[0-9]{1,2}[/.-][0-9]{1,2}[/.-]([0-9]{2}|[0-9]{4})(\\D|$)'), multiIf(
                {dates:String} = 'mdy', parseDateTime64BestEffortUSOrNull(day_text, 6, 'UTC'),
                {dates:String} = 'dmy', parseDateTime64BestEffortOrNull(day_text, 6, 'UTC'), NULL),
            match(day_text, '[0-9]{4}'), parseDateTime64BestEffortOrNull(day_text, 6, 'UTC'), NULL)) AS day_parsed,
        if(match(day_text, '^\\s*[0-9]+\\s*$') AND lengthUTF8(trimBoth(day_text)) NOT IN (8, 10, 13, 14, 16) OR toYear(day_parsed) NOT BETWEEN 1900 AND 2298,
            NULL, day_parsed) AS day_said,
        ifNull(day_said, occurred_at) AS counts_from, toDate32(counts_from) AS day,
        -- A date without a time is that day of whatever calendar.
        isNotNull(day_said) AND length(day_text) <= 10 AS is_date
    FROM states
),
counted AS (
{due}
),
told AS (
{told}
),
looked_up AS (
    SELECT
        *,
        -- What stands in a field, then what the table of the field says of it.
        arrayMap(p -> normalise_key(f[p.field], p.before), all_parts) AS stood,
        if(empty({tables:Array(Tuple(String, String))}), stood, arrayMap(
            (p, x) -> if(p.lookup = '', x, normalise_key(meaning_of(p.lookup, x, day, names, meanings), p.after)), all_parts, stood)) AS said_parts,
        arrayMap(k -> arraySlice(said_parts, k.1, k.2), places) AS parts,
        -- Number, factor, rate; null where it is not a number or the table has none for the day. Then whether there is a text, and
        -- whether it is money that does not say what it is in, where the rule says where that stands.
        -- The engine by itself takes 1.2.3 for 1.23 and a lone - for 0; what is too large to be meant could not be multiplied.
        arrayMap(n -> (
            if(match(f[n.field], '^\\s*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,2})?\\s*$')
                AND abs(toDecimal128OrNull(trimBoth(f[n.field]), 12)) < 1000000000000000, toDecimal128OrNull(trimBoth(f[n.field]), 12), NULL),
            if({converts:Bool}, toDecimal128OrNull(if(n.factors = '', '1',
                meaning_of(n.factors, arrayStringConcat(arrayMap(u -> f[u], n.unit), '|'), day, names, meanings)), 12), toNullable(toDecimal128('1', 12))),
            if({converts:Bool}, toDecimal128OrNull(if(n.rates = '' OR f[n.currency] = {currency:String}, '1',
                meaning_of(n.rates, f[n.currency], day, names, meanings)), 12), toNullable(toDecimal128('1', 12))),
            f[n.field] != '', n.currency != '' AND f[n.currency] = ''
        ), number_parts) AS figures
    FROM told
),
built AS (
    SELECT
        *,
        -- With room for the product of three numbers; only rules that convert need it.
        if({converts:Bool},
            arrayMap(x -> if(abs(x) < 1000000000000000, x, NULL), arrayMap((x, n) -> accurateCastOrNull(
                if(n.per, toDecimal256(x.1, 24) / if(x.2 = 0, NULL, x.2), toDecimal256(x.1, 12) * x.2) * x.3, 'Decimal(38, 12)'), figures, number_parts)),
            arrayMap(x -> x.1, figures)) AS numbers,
        arrayMap((x, number) -> multiIf(NOT x.4, 0, isNull(x.1), 1, isNull(x.2), 2, isNull(x.3), 3, isNull(number), 1, x.5, 3, 0), figures, numbers) AS faults,
        multiIf(
            NOT counts, 'UNPOSTED',
            arrayExists(l -> f[l.name] = '', lookups), 'KEY_UNMAPPED',
            has(faults, 1), 'TRANSFORM_ERROR',
            has(faults, 2), 'UOM_FACTOR',
            has(faults, 3), 'FX_RATE',
            -- A code that no table has is a gap to close; where nothing stands at all, a later key may do.
            arrayExists((p, x, y) -> p.lookup != '' AND x != '' AND y = '', arraySlice(all_parts, places[1].1, places[1].2),
                arraySlice(stood, places[1].1, places[1].2), parts[1]) OR arrayAll(part -> has(part, ''), parts), 'KEY_UNMAPPED',
            day_text != '' AND isNull(day_said), 'TRANSFORM_ERROR',
            '') AS problem,
        problem NOT IN ('', 'UNPOSTED') AS is_unusable,
        -- Which field that is, and what stands in it.
        multiIf(
            NOT is_unusable, [],
            arrayExists(l -> f[l.name] = '', lookups), arrayMap(l -> [l.code.field, f[l.code.field]], arrayFilter(l -> f[l.name] = '', lookups))[1],
            has(faults, 1), [number_parts[indexOf(faults, 1)].field, f[number_parts[indexOf(faults, 1)].field]],
            problem = 'UOM_FACTOR', [arrayStringConcat(number_parts[indexOf(faults, 2)].unit, '|'),
                arrayStringConcat(arrayMap(u -> f[u], number_parts[indexOf(faults, 2)].unit), '|')],
            problem = 'FX_RATE', [number_parts[indexOf(faults, 3)].currency, f[number_parts[indexOf(faults, 3)].currency]],
            problem = 'KEY_UNMAPPED', [all_parts[places[1].1 + indexOf(parts[1], '') - 1].field,
                f[all_parts[places[1].1 + indexOf(parts[1], '') - 1].field]],
            [{date:String}, day_text]) AS wrong,
        concat('\x1e', {leg:String}, '\x1f', record) AS alone,
        -- What cannot be used stands alone; what has no later key waits for none.
        arrayMap((part, pass) -> if((is_unusable AND pass = 1) OR has(part, ''), alone, arrayStringConcat(part, '\x1f')),
            parts, arrayEnumerate(parts)) AS keys,
        if({worth:UInt32} = 0, NULL, if({times:UInt32} = 0, CAST(numbers[greatest({worth:UInt32}, 1)], 'Nullable(Decimal(38, 6))'),
            CAST(toDecimal256(numbers[greatest({worth:UInt32}, 1)], 12) * numbers[greatest({times:UInt32}, 1)], 'Nullable(Decimal(38, 6))'))) AS worth
    FROM looked_up
)
SELECT
    {rule:String}, {version:String}, 1, keys[1] AS key, {leg:String}, record, '', occurred_at, known_at, row_hash, gone, day, numbers,
    arrayConcat(arraySlice(said_parts, 1 + length(original_parts), length(text_parts)), wrong),
    -- What has no money that is compared is in no currency. What no system names is in the rule's, as what was converted.
    multiIf(
        NOT arrayExists((number, is_money) -> is_money AND isNotNull(number), numbers, {moneys:Array(Bool)}), '', {converted:Bool}, {currency:String},
        f[{currency_field:String}] = '' AND NOT {names_currency:Bool}, {currency:String}, f[{currency_field:String}]),
    if({money:UInt32} = 0, toDecimal128('1', 12), ifNull(figures[greatest({money:UInt32}, 1)].3, 1)),
    worth, if(empty(original_parts), '', said_parts[1]), problem, keys,
    mapFilter((k, v) -> has({dimensions:Array(String)}, k), f), counts_from, due, isNotNull(day_said), business_day
FROM built
WHERE (record, key, occurred_at, known_at, row_hash) NOT IN (
    SELECT record, key, occurred_at, known_at, row_hash
    FROM match_records
    WHERE stream = stream_of({rule:String}, {version:String}, 1) AND leg = {leg:String}
        AND known_at > mark AND known_at <= until)
-- Nothing here is narrowed down further out than where it is read, and looking for it takes a third of planning.
SETTINGS query_plan_filter_push_down = 0
