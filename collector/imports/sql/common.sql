-- Expressions that several statements share; they stand before the first common table expression.
-- plain     text without white space at its ends
-- time_of   the moment a text names by the mapping's format and zone, null when it names none
-- amount_of the exact amount a text names by the mapping's decimal mark, null when it names none
(text) -> replaceRegexpAll(text, '^[\\s\\p{Z}]+|[\\s\\p{Z}]+$', '') AS plain,
-- 1900 to 2299 is what the engine keeps of times.
(micros) -> if(
    micros BETWEEN -2208988800000000 AND 10413791999999999,
    fromUnixTimestamp64Micro(toInt64(if(micros BETWEEN -2208988800000000 AND 10413791999999999, micros, 0))),
    NULL
) AS from_micros,
(text) -> toTimeZone(multiIf(
    {time_format:String} = 'iso',
    if(
        match(
            text,
            '^(19|2[0-2])\\d\\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])'
            || '([T ]([01]\\d|2[0-3]):[0-5]\\d(:[0-5]\\d([.,]\\d{1,9})?)?( ?(Z|[+-]([01]\\d|2[0-3])(:?[0-5]\\d)?))?)?$'
        ),
        parseDateTime64BestEffortOrNull(replaceOne(text, ',', '.'), 6, {time_zone:String}),
        NULL
    ),
    startsWith({time_format:String}, 'unix_'),
    toTimeZone(
        from_micros(
            toDecimal256OrNull(if(length(text) < 40, text, ''), 6)
            * multiIf({time_format:String} = 'unix_s', 1000000, {time_format:String} = 'unix_ms', 1000, 1)
        ),
        {time_zone:String}
    ),
    -- 3/4/2012 is 03/04/2012: patterns want two digits.
    parseDateTime64OrNull(replaceRegexpAll(text, '\\b(\\d)([/.: -])', '0\\1\\2'), {time_pattern:String}, {time_zone:String})
), 'UTC') AS time_of,
(text) -> if(
    match(text, {amount_pattern:String}),
    toDecimal128OrNull(toString(
        round(
            toDecimal256OrNull(
                replaceOne(replaceRegexpAll(text, {amount_drop:String}, ''), {amount_point:String}, '.'), 18
            ),
            6
        ) * if(match(text, '^[-(]|-$'), -1, 1)
    ), 6),
    NULL
) AS amount_of
