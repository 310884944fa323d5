-- Notifications that are still to be sent, in the order in which they were planned.
-- `tries`: attempts begun; one that neither ended well nor badly was cut short by the end of the process.
SELECT
    notification_id, rule, fingerprint, receiver, status,
    argMax(outcome, (attempt, transform(outcome, ['planned', 'sending', 'failed'], [1, 2, 3], if(outcome = 'muted', 0, 4)))) AS stands,
    max(attempt) AS tries,
    minIf(at, outcome = 'planned') AS planned_at,
    max(at) AS last_at,
    anyIf(payload, payload != '') AS content
FROM notifications
GROUP BY notification_id, rule, fingerprint, receiver, status
HAVING stands IN ('planned', 'sending', 'failed')
ORDER BY planned_at, status, notification_id
