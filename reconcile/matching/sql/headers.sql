-- Decisions rolled up to their headers as of (V, K): an order is matched when all of its lines are; its state is the worst of theirs.
SELECT
    expectation AS rule, replaceAll(v.header, '\x1f', ' / ') AS header, currency,
    arrayElement({worst_first:Array(String)}, min(indexOf({worst_first:Array(String)}, state))) AS state,
    uniqExact(pass, group_key, item) AS items, countIf(v.matched = 1) AS matched, countIf(v.failing = 1) AS failing,
    sumIf(ifNull(v.expected, 0), place = 1) AS expected, sumIf(ifNull(v.actual, 0), place = 1) AS actual,
    sumIf(ifNull(v.residual, 0), place = 1) AS residual, min(v.opened_at) AS opened_at
FROM match_verdicts_of(
    as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = [], version = '') AS v
WHERE {rule:String} IN ('', expectation) AND v.header != '' AND (isNull(v.resolved_at) OR place = 1)
GROUP BY rule, header, currency
HAVING empty({states:Array(String)}) OR state IN {states:Array(String)}
ORDER BY rule, header, currency
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
