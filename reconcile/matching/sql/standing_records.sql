-- Records with some of these names in the rules that decide, each as it stands as of (V, K): its newest state under its own key.
SELECT
    rule, leg, record, argMax(key, (occurred_at, known_at, row_hash)) AS newest_key,
    argMax((leg, record, origin, occurred_at, known_at, row_hash, gone, day, numbers, texts, toString(currency), rate, worth, original,
        toString(problem), dims, counts_from, due, dated, business_day), (occurred_at, known_at, row_hash)) AS newest
FROM match_records
WHERE record IN {records:Array(String)} AND (rule, version) IN {versions:Array(Tuple(String, String))} AND pass = 1 AND key = keys[1]
    AND NOT startsWith(row_hash, '~')
    AND occurred_at <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
GROUP BY rule, leg, record
ORDER BY rule, leg, record
