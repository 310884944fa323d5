-- Rules that decide now and are in no file any more
SELECT rule, argMax(known.workflow, activated_at) AS workflow, argMax(content, activated_at) AS content
FROM matching_versions AS known
WHERE known.activated_at <= {now:DateTime64(6, 'UTC')} AND rule NOT IN {rules:Array(String)}
GROUP BY rule
HAVING argMax(version, activated_at) != ''
ORDER BY rule
