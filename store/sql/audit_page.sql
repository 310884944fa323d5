-- The next piece of the chain, in order. Rows that share a place stay together.
SELECT seq, at, actor, kind, subject, batch, content, key_id, previous, mac
FROM audit_log
WHERE seq > {after:UInt64}
ORDER BY seq
LIMIT {most:UInt32} WITH TIES
