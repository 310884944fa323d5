-- What every staged state of an object says: one row for each, good (`reason` is empty) or to be set aside.
SELECT
    import_id,
    file,
    line,
    fields,
    -- A state file speaks of one type of object, an OCEL log of several.
    if({several_types:Bool}, toUInt16OrZero(fields['@nr']), 1) AS nr,
    {types:Array(String)}[nr] AS object,
    {systems:Array(String)}[nr] AS system_name,
    {field_lists:Array(Array(String))}[nr] AS listed,
    {amount_lists:Array(Array(String))}[nr] AS amount_columns,
    if(
        arrayExists(column -> fields[column] = '', {key_columns:Array(String)}),
        '',
        normalise_key(
            substring(
                arrayStringConcat(arrayMap(column -> concat({key_separator:String}, fields[column]), {key_columns:Array(String)})),
                length({key_separator:String}) + 1
            ),
            {key_rules:Array(String)}
        )
    ) AS key,
    plain(arrayStringConcat(arrayMap(column -> fields[column], {time_columns:Array(String)}), ' ')) AS time_text,
    if({timed:Bool}, time_of(time_text), toNullable({known_at:DateTime64(6, 'UTC')})) AS holds_from,
    mapFilter((name, value) -> has(listed, name), fields) AS kept_fields,
    arrayFilter(text -> text != '', arrayMap(column -> plain(fields[column]), amount_columns)) AS amount_texts,
    multiIf(
        length(amount_columns) = 0 OR length(amount_texts) < length(amount_columns), NULL,
        length(amount_columns) = 1, amount_of(amount_texts[1]),
        toDecimal128OrNull(
            toString(round(toDecimal256(amount_of(amount_texts[1]), 6) * toDecimal256(amount_of(amount_texts[2]), 6), 6)), 6
        )
    ) AS money,
    if({currency:String} != '', {currency:String}, upper(plain(fields[{currency_column:String}]))) AS money_currency,
    if(money IS NULL, '', money_currency) AS kept_currency,
    {deleted_column:String} != '' AND has({deleted_values:Array(String)}, plain(fields[{deleted_column:String}])) AS gone,
    lower(hex(substring(SHA256(toString((
        system_name, object, key,
        arraySort(arrayZip(mapKeys(kept_fields), mapValues(kept_fields))),
        money, kept_currency, gone
    ))), 1, 16))) AS hash,
    arrayFilter(
        link -> link.2 != '',
        arrayMap(
            (columns, separator, link_rules, type, role) -> (
                type,
                if(
                    arrayExists(column -> fields[column] = '', columns),
                    '',
                    normalise_key(
                        substring(
                            arrayStringConcat(arrayMap(column -> concat(separator, fields[column]), columns)),
                            length(separator) + 1
                        ),
                        link_rules
                    )
                ),
                role
            ),
            {link_columns:Array(Array(String))},
            {link_separators:Array(String)},
            {link_rules:Array(Array(String))},
            {link_types:Array(String)},
            {link_roles:Array(String)}
        )
    ) AS links,
    multiIf(
        key = '', 'KEY_EMPTY',
        {timed:Bool} AND time_text = '', 'TIME_EMPTY',
        holds_from IS NULL, 'TIME_UNPARSABLE',
        notEmpty(amount_texts) AND money IS NULL, 'AMOUNT_UNPARSABLE',
        money IS NOT NULL AND NOT match(money_currency, '^[A-Z]{3}$'), 'CURRENCY_UNKNOWN',
        ''
    ) AS fault,
    -- Of two different states of one object for one moment the first stands.
    if(
        fault = '' AND hash != argMinIf(hash, (import_id, file, line), fault = '') OVER (PARTITION BY object, key, holds_from),
        'KEY_REPEATED',
        fault
    ) AS reason,
    '' AS said
FROM import_rows
WHERE import_id IN {import_ids:Array(String)} AND part = {part:String}
    -- All rows of one key are looked at together, however many keys there are.
    AND cityHash64(key) % {chunks:UInt64} = {chunk:UInt64}
