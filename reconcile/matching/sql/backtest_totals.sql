-- Money matched, and variance that was accepted, by one version of a rule as of (V, K)
SELECT
    currency, countIf(v.matched = 1) AS matched, countIf(v.failing = 1) AS failing, countIf(v.unknown = 1) AS unknown,
    sumIf(ifNull(abs(expected), 0), v.matched = 1) AS matched_amount,
    sumIf(ifNull(abs(residual), 0), state = 'MATCHED_TOL') AS accepted_variance,
    sumIf(ifNull(amount, 0), v.failing = 1) AS failing_amount
FROM match_verdicts_of(
    as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = [], version = {version:String}) AS v
WHERE isNull(resolved_at) OR place = 1
GROUP BY currency
ORDER BY currency
