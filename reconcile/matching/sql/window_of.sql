-- By which midnight the window was learned that one leg of a decision is due by, as of (V, K): that of its first record
SELECT tupleElement(min(if(said.1 OR undated = 0, said.2, first_due)), 'learned_at') AS learned_at
FROM (
    SELECT
        argMax((dated, due[{place:UInt8}]), (occurred_at, known_at, row_hash)) AS said,
        countIf(problem != 'UNPOSTED' AND NOT dated) AS undated,
        minIf(due[{place:UInt8}], problem != 'UNPOSTED' AND NOT dated) AS first_due
    FROM match_records
    WHERE stream = stream_of({rule:String}, {version:String}, 1) AND key = keys[1] AND NOT startsWith(row_hash, '~')
        AND record IN {records:Array(String)} AND has({members:Array(Tuple(String, String))}, (toString(leg), record))
        AND occurred_at <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
    GROUP BY leg, record
)
HAVING count() > 0
