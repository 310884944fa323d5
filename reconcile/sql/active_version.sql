-- The rule version that decides now: empty where the file of the workflow is gone, no row where there never was one
SELECT version FROM workflow_versions WHERE workflow = {workflow:String} AND activated_at <= {now:DateTime64(6, 'UTC')} ORDER BY activated_at DESC LIMIT 1
