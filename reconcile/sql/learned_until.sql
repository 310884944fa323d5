-- The last midnight by which a version learned
SELECT maxOrNull(learned_at) AS learned_at
FROM learned_windows
WHERE workflow = {workflow:String} AND version = {version:String}
