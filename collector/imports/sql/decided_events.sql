-- What every staged row of an event log says: one row for each, good (`reason` is empty) or to be set aside.
SELECT
    import_id,
    file,
    line,
    fields,
    plain(fields[{activity:String}]) AS activity,
    plain(arrayStringConcat(arrayMap(column -> fields[column], {time_columns:Array(String)}), ' ')) AS time_text,
    time_of(time_text) AS occurred,
    arrayMap(
        (columns, separator, rules) -> if(
            arrayExists(column -> fields[column] = '', columns),
            '',
            normalise_key(
                substring(
                    arrayStringConcat(arrayMap(column -> concat(separator, fields[column]), columns)), length(separator) + 1
                ),
                rules
            )
        ),
        {object_columns:Array(Array(String))},
        {object_separators:Array(String)},
        {object_rules:Array(Array(String))}
    ) AS keys,
    arrayFilter(
        object -> object.2 != '',
        arrayConcat(
            arrayZip({object_types:Array(String)}, keys, {object_roles:Array(String)}),
            CAST(if({linked:Bool} AND fields['@objects'] != '', fields['@objects'], '[]') AS Array(Tuple(String, String, String)))
        )
    ) AS touched,
    arrayFilter(text -> text != '', arrayMap(column -> plain(fields[column]), {amount_columns:Array(String)})) AS amount_texts,
    multiIf(
        length({amount_columns:Array(String)}) = 0 OR length(amount_texts) < length({amount_columns:Array(String)}), NULL,
        length({amount_columns:Array(String)}) = 1, amount_of(amount_texts[1]),
        toDecimal128OrNull(
            toString(round(toDecimal256(amount_of(amount_texts[1]), 6) * toDecimal256(amount_of(amount_texts[2]), 6), 6)), 6
        )
    ) AS money,
    if({currency:String} != '', {currency:String}, upper(plain(fields[{currency_column:String}]))) AS money_currency,
    -- Without identity columns, the row is what it says: the order of its columns does not matter.
    lower(hex(substring(SHA256(toString((
        {source:String},
        if(
            empty({identity:Array(String)}),
            toString(arraySort(arrayZip(mapKeys(fields), mapValues(fields)))),
            toString(arrayMap(column -> fields[column], {identity:Array(String)}))
        )
    ))), 1, 16))) AS id,
    arrayMap(column -> fields[column], {tested:Array(String)}) AS tested_values,
    -- The first selector in the order of the workflow that holds in all its parts.
    arrayFirstIndex(
        (name, system, tests) -> (name = '' OR name = activity)
            AND (system = '' OR system = {system:String})
            AND arrayAll(test -> tested_values[test.1] = test.2, tests),
        {selector_names:Array(String)},
        {selector_systems:Array(String)},
        {selector_tests:Array(Array(Tuple(UInt8, String)))}
    ) AS selector,
    if(selector = 0, 'unmapped', {selector_steps:Array(String)}[selector]) AS reached,
    {selector_failed:Array(UInt8)}[selector] = 1 AS failed,
    multiIf(
        activity = '', 'ACTIVITY_EMPTY',
        time_text = '', 'TIME_EMPTY',
        occurred IS NULL, 'TIME_UNPARSABLE',
        empty(touched), 'KEY_EMPTY',
        notEmpty(amount_texts) AND money IS NULL, 'AMOUNT_UNPARSABLE',
        money IS NOT NULL AND NOT match(money_currency, '^[A-Z]{3}$'), 'CURRENCY_UNKNOWN',
        ''
    ) AS reason,
    '' AS said
FROM import_rows
WHERE import_id = {import_id:String}
    AND part = 'rows'
    AND file IN {files:Array(String)}
    AND line BETWEEN {first_line:UInt64} AND {last_line:UInt64}
