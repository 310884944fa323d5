-- Which version of each matching rule of a workflow decides as known at K, since when, and how many came before it
SELECT rule, argMax(version, activated_at) AS version, max(activated_at) AS since, count() - 1 AS earlier
FROM matching_versions
WHERE workflow = {workflow:String} AND activated_at <= {known_at:DateTime64(6, 'UTC')}
GROUP BY rule
ORDER BY rule
