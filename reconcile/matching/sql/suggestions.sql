-- What matching rules would clear and only suggest as of (V, K), a row a suggestion, the smallest difference first
SELECT
    rule, members.leg AS legs, members.record AS records, arrayMap((leg, record) -> concat(leg, ':', record), legs, records) AS names,
    members.amount AS amounts, currency, residual, abs(ifNull(residual, 0)) AS difference, points.owner[1] AS owner, opened_at
FROM matches_of(
    as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = [], version = '')
WHERE pass > 0 AND outcome = 'suggest' AND verdict IN ('matched', 'matched_tol')
    AND {workflow:String} IN ('', workflow) AND {rule:String} IN ('', rule)
    AND (isNull({at_most:Nullable(Decimal(38, 6))}) OR difference <= {at_most:Nullable(Decimal(38, 6))})
ORDER BY difference, rule, legs, records
LIMIT {limit:UInt32}
