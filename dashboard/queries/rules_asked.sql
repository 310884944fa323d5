-- Matching rules of a workflow by which somebody asked for a match by hand
SELECT DISTINCT rule FROM match_acts WHERE workflow = {workflow:String} AND action = 'requested' ORDER BY rule
