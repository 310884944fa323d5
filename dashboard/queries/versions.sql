-- Rule versions of a workflow, newest first
SELECT version, activated_at
FROM workflow_versions
WHERE workflow = {workflow:String}
ORDER BY activated_at DESC
LIMIT 10
