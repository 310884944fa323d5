-- All states, known by K, of the records under the keys that one record has or had in the rules that decide.
WITH keys AS (
    SELECT stream, key
    FROM match_records
    WHERE record = {record:String} AND (rule, version) IN {versions:Array(Tuple(String, String))}
        AND known_at <= {known_at:DateTime64(6, 'UTC')}
    GROUP BY stream, key
)
SELECT
    rule, pass, key,
    arraySort(x -> (x.1, x.2, x.3, x.4, x.5, x.6), groupUniqArray((
        leg, record, origin, occurred_at, known_at, row_hash, gone, day, numbers, texts, toString(currency), rate, worth, original,
        toString(problem), dims, counts_from, due, dated, business_day))) AS versions
FROM match_records
WHERE (stream, key) IN (SELECT stream, key FROM keys) AND known_at <= {known_at:DateTime64(6, 'UTC')}
    AND occurred_at <= {as_of:DateTime64(6, 'UTC')}
GROUP BY rule, version, pass, key
ORDER BY rule, pass, key
