-- Acts that were done already
SELECT act_id, exception_id, action, actor
FROM exceptions
WHERE act_id IN {act_ids:Array(String)}
LIMIT 1 BY act_id
