-- Versions of matching rules that were tried and never decided, the newest first
WITH tried AS (
    SELECT rule, version, concat('match/', rule, '/', version) AS its_job
    FROM matching_versions
    WHERE workflow = {workflow:String}
    GROUP BY rule, version
    HAVING min(activated_at) >= {never:DateTime64(6, 'UTC')}
)
SELECT rule, version, done.until AS until, done.tried_at AS tried_at
FROM tried
INNER JOIN (
    SELECT job, max(mark) AS until, max(at) AS tried_at FROM marks WHERE job IN (SELECT its_job FROM tried) GROUP BY job
) AS done ON done.job = tried.its_job
ORDER BY tried_at DESC, rule, version
LIMIT 20
