-- The rules in force, one row a workflow, as they were activated
SELECT workflow, argMax(content, activated_at) AS active_content
FROM workflow_versions
GROUP BY workflow
ORDER BY workflow
