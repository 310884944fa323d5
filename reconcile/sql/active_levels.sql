-- The service levels that hold now
SELECT argMax(version, activated_at) AS version FROM service_levels HAVING count() > 0
