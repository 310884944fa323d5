-- Matching rules of a workflow: what people call them, and which exceptions they ever found
SELECT rule, title, found.owners AS owners, found.codes AS codes
FROM (
    SELECT rule, JSONExtractString(argMax(content, activated_at), 'title') AS title
    FROM matching_versions
    WHERE workflow = {workflow:String} AND activated_at <= {known_at:DateTime64(6, 'UTC')}
    GROUP BY rule) AS rules
LEFT JOIN (
    SELECT rule, arrayFilter(owner -> owner != '', groupUniqArrayArray(points.owner)) AS owners,
        arrayFilter(code -> code != '', groupUniqArrayArray(points.code)) AS codes
    FROM matches
    WHERE workflow = {workflow:String}
    GROUP BY rule) AS found ON found.rule = rules.rule
ORDER BY rule
