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
),
found AS (
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
        assumeNotNull(v.detected_at) AS aged_from,
        least(ifNull(resolved_at, {as_of:DateTime64(6, 'UTC')}), {as_of:DateTime64(6, 'UTC')}) AS aged_to
    FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}) AS v
    LEFT JOIN acts AS a ON a.exception_id = v.exception_id
    WHERE isNotNull(v.detected_at)
),
-- As calendar_at, of the calendars that rules name; a view within the view would cost every reader more than the joins.
days AS (
    SELECT calendar AS of_calendar, starts_at, ends_at, date, ordinal
    FROM calendar
    WHERE calendar IN (SELECT arrayJoin(mapKeys(calendars)) FROM workflow_versions)
        AND (calendar, known_at) IN (
            SELECT calendar, max(known_at) FROM calendar
            WHERE known_at <= {known_at:DateTime64(6, 'UTC')} GROUP BY calendar)
)
SELECT
    f.* EXCEPT (aged_from, aged_to),
    -- Unknown without a calendar, or when it does not reach from one end of the age to the other.
    if(first.ends_at > f.aged_from AND last.ends_at > f.aged_to, last.ordinal - first.ordinal, NULL) AS age_business_days,
    if(isNull(age_business_days), dateDiff('day', f.aged_from, f.aged_to), dateDiff('day', first.date, last.date)) AS age_days,
    age_bucket(age_days) AS bucket
FROM found AS f
ASOF LEFT JOIN days AS first ON first.of_calendar = f.calendar AND first.starts_at <= f.aged_from
ASOF LEFT JOIN days AS last ON last.of_calendar = f.calendar AND last.starts_at <= f.aged_to;
