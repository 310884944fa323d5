-- Acts on matches of one rule, known by K, in the order they were done
SELECT
    act_id, decision_id, action, rule, workflow, known_at, actor, reason, note, arrayZip(members.leg, members.record) AS members,
    members.amount AS amounts, difference, currency, accepted, said
FROM match_acts
WHERE rule = {rule:String} AND known_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY known_at, act_id
LIMIT 1 BY act_id
