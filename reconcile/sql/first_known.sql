-- When the first fact of a workflow became known
SELECT minOrNull(known_at) AS first_known_at FROM event_objects WHERE workflow = {workflow:String}
