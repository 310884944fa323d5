-- What matching rules said of themselves when they decided: the rule as JSON.
SELECT rule, argMax(content, activated_at) AS content
FROM matching_versions AS known
WHERE rule IN {rules:Array(String)} AND known.activated_at <= {known_at:DateTime64(6, 'UTC')}
GROUP BY rule
