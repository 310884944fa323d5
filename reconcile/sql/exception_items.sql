-- The items that exceptions are of, by workflow
SELECT
    workflow, groupUniqArray(item_key) AS items,
    groupUniqArray(lower(hex(sipHash128(workflow, expectation, item_type, item_key, opened_by)))) AS ids
FROM expectations
WHERE lower(hex(sipHash128(workflow, expectation, item_type, item_key, opened_by))) IN {ids:Array(String)}
GROUP BY workflow
ORDER BY workflow
