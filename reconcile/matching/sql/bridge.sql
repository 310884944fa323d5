-- The difference of all decisions of a rule as of (V, K), net and gross, and by cause: the causes sum to the net difference.
SELECT
    rule, currency, sum(residual) AS net, sum(abs(residual)) AS gross, countIf(residual != 0) AS differing,
    sumMap(CAST(variance, 'Map(String, Decimal(38, 6))')) AS causes
FROM matches_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
WHERE {rule:String} IN ('', rule) AND isNotNull(residual)
GROUP BY rule, currency
ORDER BY rule, currency
