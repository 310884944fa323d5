-- All acts on some exceptions
SELECT act_id, exception_id, action, at, known_at, actor, owner, reason, note, until, amount, currency, failures
FROM exceptions
WHERE exception_id IN {ids:Array(String)}
ORDER BY at, known_at, act_id
LIMIT 1 BY act_id
