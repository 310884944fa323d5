-- Firing spells that go on, or ended not before `since`: the row that fired, and the row that ended it.
-- `acknowledged_at` is the newest acknowledgement of the alert, in whichever spell.
WITH
changes AS (
    SELECT rule, fingerprint, labels, state, value, evaluated_at, known_at
    FROM alert_events
    WHERE state != previous AND 'firing' IN (state, previous)
    LIMIT 1 BY fingerprint, known_at
),
spells AS (
    SELECT
        rule, fingerprint, labels, state, value, evaluated_at AS fired_at, known_at AS fired_known_at,
        leadInFrame(toNullable(evaluated_at)) OVER following AS ended_at,
        leadInFrame(toNullable(known_at)) OVER following AS ended_known_at,
        leadInFrame(value) OVER following AS ended_value
    FROM changes
    WINDOW following AS (
        PARTITION BY fingerprint ORDER BY known_at ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
    )
),
taken AS (
    SELECT fingerprint, max(known_at) AS acknowledged_at
    FROM alert_events
    WHERE reason = 'acknowledged'
    GROUP BY fingerprint
)
SELECT
    rule, fingerprint, labels, value, fired_at, fired_known_at, ended_at, ended_known_at, ended_value,
    ifNull(acknowledged_at > fired_known_at, false) AS acknowledged
FROM spells
LEFT JOIN taken USING (fingerprint)
WHERE state = 'firing' AND (ended_known_at IS NULL OR ended_known_at >= {since:DateTime64(6, 'UTC')})
ORDER BY fired_known_at, fingerprint
