-- Which rule and which item an exception id stands for, at whatever time
SELECT workflow, expectation, item_type, item_key, min(opened_at) AS first_opened_at, min(due_at) AS first_due_at
FROM exception_ids
WHERE exception_id = {id:String}
GROUP BY workflow, expectation, item_type, item_key
LIMIT 1
