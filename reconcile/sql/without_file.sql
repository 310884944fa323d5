-- Workflows that decide now and are in no file any more
SELECT workflow, argMax(content, activated_at) AS content
FROM workflow_versions AS known
WHERE known.activated_at <= {now:DateTime64(6, 'UTC')} AND workflow NOT IN {workflows:Array(String)}
GROUP BY workflow
HAVING argMax(version, activated_at) != ''
ORDER BY workflow
