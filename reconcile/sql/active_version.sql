-- The rule version that decides now
SELECT argMax(version, activated_at) AS version FROM workflow_versions WHERE workflow = {workflow:String}
