-- The last moment before another at which rows came in; in this form few of them are read.
SELECT known_at
FROM {table:Identifier}
WHERE known_at < {until:DateTime64(6, 'UTC')}
ORDER BY known_at DESC
LIMIT 1
