-- Records as read → states of objects: keys, times and money understood, repeated and superseded ones marked
INSERT INTO probe_states (
    reading, number, object_key, deleted, dated, holds_from, amount, currency, fields, links, steps, row_hash,
    place, reason, detail
)
WITH
    {links:Array(Tuple(role String, type String, columns Array(String), split String, inverse Bool, rules Array(String)))}
        AS link_rules,
    {steps:Array(Tuple(step String, time String, conditions Array(Tuple(column String, vals Array(String)))))} AS step_rules,
keyed AS (
    SELECT
        number, as_of, broken, flaw, origin_sha256, fields AS given,
        key_of(given, {key:Array(String)}, {key_rules:Array(String)}) AS key_read,
        cityHash64(key_read) AS key_hash
    FROM probe_rows
    WHERE reading = {reading:String} AND number > {above:UInt64} AND number <= {up_to:UInt64}
        AND in_slice(key_read, {slices:UInt32}, {slice:UInt32})
),
texts AS (
    SELECT
        *,
        arrayFilter(rule -> arrayAll(c -> has(c.vals, trimBoth(given[c.column])), rule.conditions), step_rules) AS reached,
        -- The first time is the record's own, the others belong to the steps it has reached.
        arrayMap(c -> trimBoth(given[c]), arrayConcat([{valid_from:String}], reached.time)) AS time_texts,
        trimBoth(given[{amount:String}]) AS amount_text,
        -- 1.234,50 where the comma is the decimal mark; 100.00- as some ledgers print a credit.
        if({decimal:String} = ',', replaceOne(replaceRegexpAll(amount_text, '[. \\x{a0}\\x{202f}\']', ''), ',', '.'), amount_text)
            AS plain_text,
        if(endsWith(plain_text, '-'), concat('-', substring(plain_text, 1, length(plain_text) - 1)), plain_text) AS number_text,
        if({currency:String} != '', {currency:String}, upperUTF8(trimBoth(given[{currency_column:String}]))) AS currency_text,
        {deleted:String} != '' AND lower(trimBoth(given[{deleted:String}])) NOT IN ('', '0', 'f', 'false', 'n', 'no') AS is_deleted
    FROM keyed
),
parsed AS (
    SELECT
        *,
        -- Digits alone are a date, or seconds, milliseconds or microseconds since 1970; 03/04/2026 is one day or another.
        arrayMap(
            t -> if(toYear(t) BETWEEN 1900 AND 2298, t, NULL),
            arrayMap(
                text -> multiIf(
                    match(text, '^[0-9]+$') AND length(text) NOT IN (8, 10, 13, 14, 16), NULL,
                    {dates:String} = 'mdy', parseDateTime64BestEffortUSOrNull(text, 6, {timezone:String}),
                    {dates:String} = 'iso' AND match(text, '^[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{2,4}'), NULL,
                    parseDateTime64BestEffortOrNull(text, 6, {timezone:String})),
                time_texts)) AS times,
        -- The engine by itself takes 1.2.3 for 1.23 and a lone - for 0.
        arrayMap(
            wide -> if(abs(wide) < 1e30, CAST(round(wide, 6), 'Nullable(Decimal(38, 6))'), NULL),
            [if(match(number_text, '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]{1,2})?$'),
                toDecimal256OrNull(number_text, 20), NULL)])[1] AS money
    FROM texts
),
judged AS (
    SELECT
        *,
        arrayFirstIndex((text, t) -> text != '' AND isNull(t), time_texts, times) AS bad_time,
        multiIf(
            broken != '', (flaw, broken),
            key_read = '', ('no_key', concat('column ', arrayStringConcat({key:Array(String)}, ', '), ' is empty')),
            bad_time > 0, ('bad_time', concat('column ', arrayConcat([{valid_from:String}], reached.time)[bad_time], ' is not a time')),
            amount_text != '' AND isNull(money), ('bad_amount', concat('column ', {amount:String}, ' is not a number')),
            amount_text != '' AND NOT match(currency_text, '^[A-Z]{3}$'),
                ('no_currency', concat('column ', {currency_column:String}, ' is not a currency code')),
            ('', '')
        ) AS fault
    FROM parsed
),
states AS (
    SELECT
        number, key_read, key_hash, is_deleted, fault, money,
        isNotNull(times[1]) OR origin_sha256 != '' AS is_dated,
        ifNull(times[1], as_of) AS since,
        if(isNull(money), '', currency_text) AS money_currency,
        CAST(arrayMap(x -> (x.1, given[x.2]), arrayFilter(
            x -> mapContains(given, x.2), arrayZip({names:Array(String)}, {columns:Array(String)}))), 'Map(String, String)') AS kept,
        if(is_deleted OR empty(link_rules), [], arrayDistinct(arrayFilter(l -> l.3 != '', arrayFlatten(arrayMap(
            rule -> arrayMap(
                key -> (rule.role, rule.type, key, rule.inverse),
                if(length(rule.columns) > 1,
                    [arrayStringConcat(arrayMap(c -> normalise_key(given[c], rule.rules), rule.columns), '/')],
                    arrayMap(part -> normalise_key(part, rule.rules), multiIf(
                        rule.split = '', [given[rule.columns[1]]],
                        rule.split = 'json', JSONExtract(given[rule.columns[1]], 'Array(String)'),
                        splitByChar('\x1f', replaceAll(given[rule.columns[1]], rule.split, '\x1f')))))),
            arrayFilter(rule -> arrayAll(c -> trimBoth(given[c]) != '', rule.columns), link_rules)))))) AS linked,
        if(is_deleted OR empty(step_rules) OR fault.1 != '', [], arrayMap(
            (step, t) -> (step, assumeNotNull(t)),
            arrayFilter((step, t) -> isNotNull(t), reached.step, arrayPopFront(times)),
            arrayFilter(t -> isNotNull(t), arrayPopFront(times)))) AS proven,
        lower(hex(sipHash128(toJSONString((kept, toString(money), money_currency, is_deleted))))) AS hash
    FROM judged
),
-- Most objects come once, and what stands alone has its place without being sorted.
several AS (
    SELECT key_hash FROM keyed WHERE key_read != '' GROUP BY key_hash HAVING count() > 1
),
-- Read twice with the same time (a page that moved, a key that is not unique): the last reading stands.
unique_states AS (
    SELECT
        *,
        first_value(number) OVER same_time = number AND fault.1 = '' AS stands,
        first_value(hash) OVER same_time AS winning_hash
    FROM states
    WHERE {any_several:Bool} AND key_hash IN (SELECT key_hash FROM several)
    WINDOW same_time AS (
        PARTITION BY key_read, fault.1 != '', since ORDER BY number DESC
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
),
-- States of one object in the order they held; one equal to the state before it says nothing new.
ordered AS (
    SELECT
        *,
        lagInFrame(hash, 1, '') OVER (
            PARTITION BY key_read, stands ORDER BY since, number
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) != hash AS differs
    FROM unique_states
),
placed AS (
    SELECT
        number, key_read, is_deleted, is_dated, since, money, money_currency, kept, linked, proven, hash,
        multiIf(
            fault.1 != '', ('aside', fault.1, fault.2),
            NOT stands AND hash != winning_hash,
                ('aside', 'duplicate_key', 'another record of the same run has the same key and time'),
            NOT stands OR NOT differs, ('repeated', '', ''),
            row_number() OVER (PARTITION BY key_read, stands AND differs ORDER BY since DESC, number DESC) = 1, ('newest', '', ''),
            ('earlier', '', '')) AS place
    FROM ordered
    UNION ALL
    SELECT
        number, key_read, is_deleted, is_dated, since, money, money_currency, kept, linked, proven, hash,
        if(fault.1 != '', ('aside', fault.1, fault.2), ('newest', '', ''))
    FROM states
    WHERE NOT {any_several:Bool} OR key_hash NOT IN (SELECT key_hash FROM several)
)
SELECT
    {reading:String}, number, key_read, is_deleted, is_dated, since, money, money_currency, kept, linked, proven, hash,
    place.1, place.2, place.3
FROM placed
