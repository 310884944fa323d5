-- Rules with acts on a decision by hand, or with an act of this id
SELECT DISTINCT rule
FROM match_acts
WHERE decision_id = {decision:String} OR act_id = {act_id:String}
