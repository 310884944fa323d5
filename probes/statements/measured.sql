-- What was read, as the controls measure it: of one origin, or of all
WITH
wanted AS (
    SELECT arrayJoin({controls:Array(Tuple(control UInt32, origin String, column String))}) AS w
),
measures AS (
    SELECT
        w.control AS control, w.origin AS of_origin,
        trimBoth(if(w.column = '', '', r.fields[w.column])) AS given,
        replaceRegexpOne(
            if({decimal:String} = ',', replaceOne(replaceRegexpAll(given, '[. \\x{a0}\\x{202f}\']', ''), ',', '.'), given),
            '^(.+)-$', '-\\1') AS number_text,
        if(given = '', 0, toDecimal256OrNull(number_text, 20)) AS figure
    FROM probe_rows AS r
    CROSS JOIN wanted
    WHERE r.reading = {reading:String} AND r.flaw IN ('', 'bad_line') AND (w.origin = '' OR r.origin = w.origin)
)
SELECT control, of_origin, count() AS records, if(countIf(isNull(figure)) > 0, NULL, toString(sum(figure))) AS total
FROM measures
GROUP BY control, of_origin
