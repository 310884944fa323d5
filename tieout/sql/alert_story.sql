-- Everything that happened to an alert, by rule or fingerprint: changes of state and attempts to tell people.
SELECT evaluated_at AS at, rule, 'state' AS kind, concat(previous, ' to ', state) AS what, reason, value, '' AS receiver, fingerprint
FROM alert_events
WHERE rule = {alert:String} OR fingerprint = {alert:String}
UNION ALL
SELECT at, rule, 'notification', concat(outcome, ', try ', toString(attempt)), error_code, NULL, receiver, fingerprint
FROM notifications
WHERE rule = {alert:String} OR fingerprint = {alert:String}
ORDER BY at, fingerprint, kind DESC, what
LIMIT 1000
