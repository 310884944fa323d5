-- Values of dimensions under which more fails than its rules let expect, as of (V, K): observed beside expected, where a value is expected to
-- fail as often as each of the rules does that its items fall under (indirect standardisation).
WITH
judged AS (
    SELECT
        expectation, failing = 1 AS fails,
        arrayFilter(d -> d.1 NOT IN ('owner', 'expectation', 'item_type') AND d.2 != '', arrayZip(mapKeys(dims), mapValues(dims))) AS segments
    FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String} AND due = 1
),
counted AS (
    SELECT expectation, segment.1 AS dimension, segment.2 AS value, count() AS items, countIf(fails) AS failed
    FROM judged
    ARRAY JOIN segments AS segment
    GROUP BY expectation, dimension, value
),
-- A rule's rate among the items that have the dimension at all.
expected AS (
    SELECT
        *,
        sum(failed) OVER (PARTITION BY expectation, dimension) / sum(items) OVER (PARTITION BY expectation, dimension) AS rate
    FROM counted
)
SELECT
    toString(dimension) AS dimension, value, sum(items) AS due, sum(failed) AS failing,
    sum(items * rate) AS expected, failing - expected AS excess, failing / expected AS times,
    excess / sqrt(sum(items * rate * (1 - rate))) AS deviations
FROM expected
GROUP BY dimension, value
-- Less than this is what chance does among hundreds of values.
HAVING excess >= 2 AND deviations >= 4
ORDER BY excess DESC, dimension, value
LIMIT {most:UInt32}
