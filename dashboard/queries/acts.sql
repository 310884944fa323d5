-- What was done with one exception, oldest first
SELECT at, action, actor, owner, reason, note, until
FROM exceptions
WHERE exception_id = {id:String} AND known_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY at, known_at, act_id
LIMIT 1 BY act_id
LIMIT 500
