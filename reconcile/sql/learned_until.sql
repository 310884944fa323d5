-- The last midnight by which a version learned, or else when the first fact of the workflow became known
SELECT
    (SELECT maxOrNull(learned_at) FROM learned_windows WHERE workflow = {workflow:String} AND version = {version:String}) AS learned_at,
    if(isNull(learned_at), (SELECT minOrNull(known_at) FROM event_objects WHERE workflow = {workflow:String}), NULL) AS first_known_at
