-- Records as read → states of objects: keys, times and money understood, repeated and superseded ones marked
INSERT INTO probe_states (
    reading, number, object_key, deleted, dated, holds_from, amount, currency, fields, links, steps, row_hash,
    place, reason, detail
)
WITH
    {links:Array(Tuple(role String, type String, columns Array(String), split String, inverse Bool, rules Array(String)))}
        AS link_rules,
    {steps:Array(Tuple(step String, time String, conditions Array(Tuple(column String, vals Array(String)))))} AS step_rules,
    -- Digits alone are a date, or seconds, milliseconds or microseconds since 1970; 03/04/2026 needs to be told apart.
    text -> multiIf(
        match(text, '^[0-9]+$') AND length(text) NOT IN (8, 10, 13, 14, 16), NULL,
        {dates:String} = 'mdy', parseDateTime64BestEffortUSOrNull(text, 6, {timezone:String}),
        {dates:String} = 'iso' AND match(text, '^[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{2,4}'), NULL,
        parseDateTime64BestEffortOrNull(text, 6, {timezone:String})
    ) AS parsed_time,
    text -> if(
        toYear(parsed_time(text)) BETWEEN 1900 AND 2298, toTimeZone(parsed_time(text), 'UTC'), NULL
    ) AS time_of,
    -- 1.234,50 where the comma is the decimal mark; 100.00- as some ledgers print a credit.
    text -> replaceRegexpOne(
        if({decimal:String} = ',', replaceOne(replaceRegexpAll(text, '[. \\x{a0}\\x{202f}\']', ''), ',', '.'), text),
        '^(.+)-$', '-\\1') AS plain_number,
    text -> toDecimal256OrNull(plain_number(text), 20) AS wide_number,
    text -> if(abs(wide_number(text)) < 1e30, CAST(round(wide_number(text), 6), 'Nullable(Decimal(38, 6))'), NULL) AS money_of,
records AS (
    SELECT
        number, as_of, broken, origin_sha256, fields AS given,
        arrayMap(c -> normalise_key(given[c], {key_rules:Array(String)}), {key:Array(String)}) AS key_parts,
        if(has(key_parts, ''), '', arrayStringConcat(key_parts, '/')) AS key_read,
        trimBoth(given[{valid_from:String}]) AS time_text,
        time_of(time_text) AS own_time,
        lower(trimBoth(given[{deleted:String}])) NOT IN ('', '0', 'f', 'false', 'n', 'no') AS is_deleted,
        trimBoth(given[{amount:String}]) AS amount_text,
        money_of(amount_text) AS money,
        if({currency:String} != '', {currency:String}, upperUTF8(trimBoth(given[{currency_column:String}]))) AS currency_text,
        arrayFilter(
            rule -> arrayAll(c -> has(c.vals, trimBoth(given[c.column])), rule.conditions)
                AND trimBoth(given[rule.time]) != '',
            step_rules) AS reached
    FROM probe_rows
    WHERE reading = {reading:String}
),
checked AS (
    SELECT
        *,
        arrayFirst(rule -> isNull(time_of(trimBoth(given[rule.time]))), reached).time AS bad_step_time,
        multiIf(
            broken != '', ('bad_line', broken),
            key_read = '', ('no_key', concat('column ', arrayStringConcat({key:Array(String)}, ', '), ' is empty')),
            time_text != '' AND isNull(own_time), ('bad_time', concat('column ', {valid_from:String}, ' is not a time')),
            amount_text != '' AND isNull(money), ('bad_amount', concat('column ', {amount:String}, ' is not a number')),
            amount_text != '' AND NOT match(currency_text, '^[A-Z]{3}$'),
                ('no_currency', concat('column ', {currency_column:String}, ' is not a currency code')),
            bad_step_time != '', ('bad_time', concat('column ', bad_step_time, ' is not a time')),
            ('', '')
        ) AS fault
    FROM records
),
states AS (
    SELECT
        number, key_read, is_deleted, isNotNull(own_time) OR origin_sha256 != '' AS is_dated, ifNull(own_time, as_of) AS since, money,
        if(isNull(money), '', currency_text) AS money_currency,
        CAST(arrayMap(x -> (x.1, given[x.2]), arrayFilter(
            x -> mapContains(given, x.2), arrayZip({names:Array(String)}, {columns:Array(String)}))), 'Map(String, String)') AS kept,
        if(is_deleted, [], arrayDistinct(arrayFilter(l -> l.3 != '', arrayFlatten(arrayMap(
            rule -> arrayMap(
                text -> (rule.role, rule.type, text, rule.inverse),
                if(length(rule.columns) > 1,
                    [arrayStringConcat(arrayMap(c -> normalise_key(given[c], rule.rules), rule.columns), '/')],
                    arrayMap(part -> normalise_key(part, rule.rules), multiIf(
                        rule.split = '', [given[rule.columns[1]]],
                        rule.split = 'json', JSONExtract(given[rule.columns[1]], 'Array(String)'),
                        splitByChar('\x1f', replaceAll(given[rule.columns[1]], rule.split, '\x1f')))))),
            arrayFilter(rule -> arrayAll(c -> trimBoth(given[c]) != '', rule.columns), link_rules)))))) AS linked,
        if(is_deleted OR fault.1 != '', [], arrayMap(
            rule -> (rule.step, assumeNotNull(time_of(trimBoth(given[rule.time])))), reached)) AS proven,
        lower(hex(sipHash128(toJSONString((kept, toString(money), money_currency, is_deleted))))) AS hash,
        fault.1 AS fault_code, fault.2 AS fault_detail
    FROM checked
),
-- Read twice with the same time (a page that moved, a key that is not unique): the last reading stands.
unique_states AS (
    SELECT
        *,
        first_value(number) OVER same_time AS winner,
        first_value(hash) OVER same_time AS winning_hash
    FROM states
    WINDOW same_time AS (
        PARTITION BY key_read, fault_code != '', since ORDER BY number DESC
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
),
-- States of one object in the order they held; one equal to the state before it says nothing new.
steps_of_state AS (
    SELECT
        *,
        fault_code = '' AND number = winner AS stands,
        lagInFrame(hash, 1, '') OVER (
            PARTITION BY key_read, fault_code = '' AND number = winner ORDER BY since, number
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS hash_before
    FROM unique_states
),
placed AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY key_read, stands AND hash != hash_before ORDER BY since DESC, number DESC) AS from_newest
    FROM steps_of_state
)
SELECT
    {reading:String}, number, key_read, is_deleted, is_dated, since, money, money_currency, kept, linked, proven, hash,
    multiIf(
        fault_code != '' OR (NOT stands AND hash != winning_hash), 'aside',
        NOT stands OR hash = hash_before, 'repeated',
        from_newest = 1, 'newest', 'earlier') AS state_place,
    if(fault_code = '' AND state_place = 'aside', 'duplicate_key', fault_code),
    if(fault_code = '' AND state_place = 'aside', 'another record of the same run has the same key and time', fault_detail)
FROM placed
