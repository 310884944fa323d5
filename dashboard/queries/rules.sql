-- Matching rules of a workflow as of (V, K), a row a rule and currency: what they decided, and what it comes to
SELECT
    expectation AS rule, v.currency AS currency, countIf(v.matched = 1) AS matched, countIf(v.failing = 1) AS failing, countIf(v.unknown = 1) AS unknown,
    countIf(state = 'REVERSED' AND place = 1) AS taken_back, sumIf(ifNull(abs(expected), 0), v.matched = 1) AS matched_amount,
    sumIf(ifNull(amount, 0), v.failing = 1) AS failing_amount,
    sumIf(ifNull(residual, 0), place = 1) AS net, sumMapIf(CAST(variance, 'Map(String, Decimal(38, 6))'), place = 1) AS causes
FROM match_verdicts_of(
    as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = [], version = '') AS v
WHERE workflow = {workflow:String} AND (isNull(resolved_at) OR place = 1)
GROUP BY rule, currency
ORDER BY rule, currency
