-- The rules in force, one row a workflow whose file is there, as they were activated
SELECT workflow, argMax(content, activated_at) AS active_content
FROM workflow_versions
GROUP BY workflow
HAVING argMax(version, activated_at) != ''
ORDER BY workflow
