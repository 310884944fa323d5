-- What people did with one exception, oldest first
SELECT at, action, actor, owner, reason, note
FROM exceptions
WHERE exception_id = {id:String} AND known_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY at, known_at
LIMIT 500
