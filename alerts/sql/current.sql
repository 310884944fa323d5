-- The alerts that are pending or firing, with the last notification of each.
WITH
stands AS (
    SELECT rule, fingerprint, labels, state, reason, value, active_since, evaluated_at
    FROM alert_events
    ORDER BY known_at DESC
    LIMIT 1 BY fingerprint
),
last_told AS (
    SELECT
        fingerprint,
        argMax(concat(receiver, ' ', status, ' ', outcome), (at, attempt, outcome IN ('sent', 'failed', 'given_up'))) AS told
    FROM notifications
    GROUP BY fingerprint
)
SELECT rule, fingerprint, labels, state, reason, value, active_since, evaluated_at AS changed_at, told
FROM stands
LEFT JOIN last_told USING (fingerprint)
WHERE state != 'inactive'
ORDER BY
    transform(labels['severity'], ['page', 'ticket', 'info'], [1, 2, 3], 4),
    state = 'pending', active_since, rule, fingerprint
