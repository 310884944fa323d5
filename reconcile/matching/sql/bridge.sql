-- What the legs of a rule differ by as of (V, K), net and gross, and by cause: the causes sum to the net difference. A record
-- without its counterpart is a difference of all its money, by what that means: not due yet, missing, without what it should come from,
-- or not proven. Records of which nothing can be said in money are counted.
WITH decided AS (
    SELECT
        expectation, currency, v.variance AS causes, v.decided_residual AS its_residual, v.residual AS open_residual, verdict, v.rank AS its_rank,
        state, length(records) AS size,
        isNotNull(its_residual) OR its_rank = 2 AND isNotNull(open_residual) AS is_known,
        -- What may still come is no difference to explain.
        multiIf(state IN ('NOT_DUE', 'IN_FLIGHT'), 'not_due', state = 'UNKNOWN', 'not_proven', lower(state)) AS waits,
        multiIf(NOT is_known, map(), isNull(its_residual), map(waits, assumeNotNull(open_residual)),
            state = 'IN_FLIGHT', map('not_due', assumeNotNull(its_residual)), CAST(causes, 'Map(String, Decimal(38, 6))')) AS by_cause
    FROM match_verdicts_of(
        as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = [], version = '') AS v
    WHERE {rule:String} IN ('', expectation) AND place = 1 AND v.due_at > {due_after:DateTime64(6, 'UTC')}
        AND v.due_at <= {due_by:DateTime64(6, 'UTC')}
        -- What took itself back differs by what people accepted as left of it.
        AND (verdict != 'reversed' OR ifNull(v.decided_residual, 0) != 0)
)
SELECT
    expectation AS rule, currency, sum(arraySum(mapValues(by_cause))) AS net, sum(abs(arraySum(mapValues(by_cause)))) AS gross,
    countIf(arraySum(mapValues(by_cause)) != 0) AS differing, sumMap(by_cause) AS causes, sumIf(size, NOT is_known) AS unknown
FROM decided
GROUP BY rule, currency
ORDER BY rule, currency
