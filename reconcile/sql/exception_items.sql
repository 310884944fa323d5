-- The items that exceptions are of, by workflow
SELECT workflow, groupUniqArray(item_key) AS items, groupUniqArray(exception_id) AS ids
FROM exception_ids
WHERE exception_id IN {ids:Array(String)}
GROUP BY workflow
ORDER BY workflow
