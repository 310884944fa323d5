-- Newest state of every alert as known at K
SELECT
    rule, fingerprint, argMax(state, (evaluated_at, known_at)) AS last_state, argMax(labels, (evaluated_at, known_at)) AS last_labels,
    argMax(tuple(value), (evaluated_at, known_at)).1 AS last_value,
    argMax(tuple(active_since), (evaluated_at, known_at)).1 AS since,
    argMax(reason, (evaluated_at, known_at)) AS last_reason, max(evaluated_at) AS last_evaluated_at
FROM alert_events
WHERE known_at <= {now:DateTime64(6, 'UTC')} AND labels['workflow'] IN ({workflow:String}, '')
GROUP BY rule, fingerprint
ORDER BY last_state != 'firing', last_state != 'pending', last_labels['severity'] != 'page', since, rule, fingerprint
LIMIT 200
