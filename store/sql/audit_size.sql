-- How many rows the audit log has
SELECT count() AS row_count FROM audit_log
