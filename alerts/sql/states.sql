-- Every alert as its last change left it.
SELECT rule, fingerprint, labels, state, reason, value, active_since, last_true_at, evaluated_at, known_at
FROM alert_events
ORDER BY known_at DESC
LIMIT 1 BY fingerprint
