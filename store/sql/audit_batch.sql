-- The rows of one batch, in order
SELECT seq, at, actor, kind, subject, content FROM audit_log WHERE batch = {batch:String} ORDER BY seq
