-- The rows that stand at one place of the chain: one, if nobody touched it
SELECT mac FROM audit_log WHERE seq = {seq:UInt64}
