-- The newest row of the chain
SELECT seq, mac, batch, kind FROM audit_log ORDER BY seq DESC LIMIT 1
