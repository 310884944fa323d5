-- The version of a rule that decides now
SELECT version FROM matching_versions WHERE rule = {rule:String} AND activated_at <= {now:DateTime64(6, 'UTC')} ORDER BY activated_at DESC LIMIT 1
