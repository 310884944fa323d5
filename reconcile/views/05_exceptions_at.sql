-- Everything that was ever wrong by V as known at K, with what people had done about it by K. Acts have no business time:
-- somebody who clears the work list of a past month does so today.
CREATE OR REPLACE VIEW exceptions_at AS
WITH
acts AS (
    SELECT
        exception_id,
        argMaxIf(action, (at, known_at), action IN ('acknowledged', 'explained', 'resolved', 'reopened')) AS last_action,
        maxIf(at, action IN ('acknowledged', 'explained', 'resolved', 'reopened')) AS last_action_at,
        argMaxIf(owner, (at, known_at), action = 'assigned') AS assignee,
        argMaxIf(reason, (at, known_at), reason != '') AS reason,
        argMaxIf(note, (at, known_at), note != '') AS note
    FROM exceptions
    WHERE known_at <= {known_at:DateTime64(6, 'UTC')}
    GROUP BY exception_id
)
SELECT
    v.* EXCEPT (resolved_at),
    multiIf(
        isNotNull(v.resolved_at), v.resolved_at,
        a.last_action = 'resolved', a.last_action_at,
        NULL) AS resolved_at,
    multiIf(
        isNotNull(v.resolved_at), 'resolved',
        a.last_action IN ('acknowledged', 'explained', 'resolved'), a.last_action,
        'open') AS status,
    toUInt8(status != 'resolved') AS is_open,
    a.assignee AS assignee, a.reason AS reason, a.note AS note,
    dateDiff('day', v.detected_at, least(ifNull(resolved_at, {as_of:DateTime64(6, 'UTC')}), {as_of:DateTime64(6, 'UTC')})) AS age_days,
    multiIf(age_days <= 1, '0-1', age_days <= 3, '2-3', age_days <= 7, '4-7', age_days <= 30, '8-30',
        age_days <= 60, '31-60', age_days <= 90, '61-90', '>90') AS bucket
FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}) AS v
LEFT JOIN acts AS a ON a.exception_id = v.exception_id
WHERE isNotNull(v.detected_at);
