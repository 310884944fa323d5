-- Everything that happened to an alert, or to all alerts of a rule, oldest first: changes of state and what was told.
SELECT at, fingerprint, labels, kind, what, why, value, receiver, attempt
FROM (
    SELECT
        evaluated_at AS at, known_at AS sequence, fingerprint, labels,
        'state' AS kind, concat(previous, ' → ', state) AS what, reason AS why, value, '' AS receiver, 0 AS attempt,
        0 AS place
    FROM alert_events
    WHERE rule = {name:String} OR fingerprint = {name:String}
    UNION ALL
    SELECT
        at, at AS sequence, fingerprint, CAST(map(), 'Map(LowCardinality(String), String)') AS labels,
        'notification' AS kind, concat(status, ' ', outcome) AS what, error_code AS why, NULL AS value, receiver, attempt,
        transform(outcome, ['muted', 'planned', 'sending'], [1, 2, 3], 4) AS place
    FROM notifications
    WHERE rule = {name:String} OR fingerprint = {name:String}
)
ORDER BY sequence, kind DESC, receiver, attempt, place, what
