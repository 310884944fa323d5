-- Where every notification of these alerts stands.
SELECT
    notification_id, receiver,
    argMax(outcome, (attempt, transform(outcome, ['planned', 'sending', 'failed'], [1, 2, 3], if(outcome = 'muted', 0, 4)))) AS stands,
    max(at) AS last_at
FROM notifications
WHERE fingerprint IN {fingerprints:Array(String)}
GROUP BY notification_id, receiver
