-- Everything that was ever wrong with some items (all, when `items` is empty) by V as known at K, with what people had done
-- about it by K. Acts have no business time: somebody who clears the work list of a past month does so today. What acts
-- make of an exception is said twice, here and in reconcile/life.py; a test holds the two against each other.
CREATE OR REPLACE VIEW exceptions_of AS
WITH
['acknowledged', 'explained', 'waiver_requested', 'waived', 'waiver_refused', 'resolved', 'reopened', 'lapsed'] AS telling,
acts AS (
    SELECT
        exception_id,
        argMaxIf(action, (at, known_at, act_id), has(telling, action)) AS last_action,
        maxIf(at, has(telling, action)) AS last_action_at,
        argMaxIf(actor, (at, known_at, act_id), has(telling, action)) AS last_actor,
        argMaxIf(tuple(until), (at, known_at, act_id), has(telling, action)).1 AS last_until,
        argMaxIf(owner, (at, known_at, act_id), action = 'assigned') AS assignee,
        argMaxIf(reason, (at, known_at, act_id), reason != '' AND action != 'lapsed') AS reason,
        argMaxIf(note, (at, known_at, act_id), note != '') AS note,
        uniqExactIf(act_id, action != 'commented') AS version,
        minIf(at, action IN ('acknowledged', 'explained', 'waiver_requested', 'waived', 'resolved')) AS taken_on,
        arraySort(groupUniqArrayIf((at, known_at, act_id, action = 'waived', ifNull(until, toDateTime64('2299-12-31', 6, 'UTC'))), has(telling, action))) AS turns,
        -- A waiver holds until its end or the next act that says something of the state, whichever comes first.
        arrayMap(t -> (t.1, t.2), arrayFilter(t -> t.3, arrayMap(
            (turn, n) -> (turn.1, if(n < length(turns), least(turn.5, turns[n + 1].1), turn.5), turn.4),
            turns, arrayEnumerate(turns)))) AS waived_during
    FROM exceptions
    WHERE known_at <= {known_at:DateTime64(6, 'UTC')}
        -- The acts of a few items are found by their ids; the ids of all would only cost.
        AND (empty({items:Array(String)}) OR exception_id IN (
            SELECT exception_id FROM exception_ids WHERE item_key IN {items:Array(String)}))
    GROUP BY exception_id
),
found AS (
    SELECT
        v.* EXCEPT (resolved_at),
        v.resolved_at AS cleared_at,
        multiIf(
            isNotNull(v.resolved_at), v.resolved_at,
            a.last_action = 'resolved', a.last_action_at,
            NULL) AS resolved_at,
        a.last_action IN ('acknowledged', 'waived') AND ifNull(a.last_until <= {known_at:DateTime64(6, 'UTC')}, false) AS lapsed,
        multiIf(
            isNotNull(v.resolved_at), 'resolved',
            lapsed, 'open',
            a.last_action IN ('acknowledged', 'explained', 'waiver_requested', 'waived', 'resolved'), a.last_action,
            'open') AS status,
        toUInt8(status != 'resolved') AS is_open,
        a.last_action AS last_action, a.last_actor AS last_actor,
        a.assignee AS assignee, a.reason AS reason, a.note AS note, a.version AS version,
        if(status IN ('acknowledged', 'waived'), a.last_until, NULL) AS until,
        if(a.taken_on = toDateTime64(0, 6, 'UTC'), NULL, a.taken_on) AS taken_on_at,
        a.waived_during AS waived_during,
        least(ifNull(resolved_at, {as_of:DateTime64(6, 'UTC')}), {as_of:DateTime64(6, 'UTC')}) AS aged_to
    FROM verdicts_of(
        as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = {items:Array(String)}) AS v
    LEFT JOIN acts AS a ON a.exception_id = v.exception_id
    WHERE isNotNull(v.detected_at)
),
-- As calendar_at, of the calendars that rules name; a view within the view would cost every reader more than the joins.
days AS (
    SELECT calendar AS of_calendar, starts_at, ends_at, date, ordinal
    FROM calendar
    WHERE calendar IN (
            SELECT arrayJoin(mapKeys(calendars)) FROM workflow_versions
            UNION ALL
            SELECT arrayJoin(mapKeys(calendars)) FROM matching_versions)
        AND (calendar, known_at) IN (
            SELECT calendar, max(known_at) FROM calendar
            WHERE known_at <= {known_at:DateTime64(6, 'UTC')} GROUP BY calendar)
),
-- An age begins at a moment, or with a day whatever the zone of its calendar.
beginnings AS (
    SELECT of_calendar, by_day, if(by_day = 1, toDateTime64(date, 6, 'UTC'), starts_at) AS begins_at, ends_at, date, ordinal
    FROM days
    ARRAY JOIN [0, 1] AS by_day
)
SELECT
    f.* EXCEPT (aged_to),
    age_in_business_days(f.aged_from, first.ends_at, first.ordinal, f.aged_to, last.ends_at, last.ordinal) AS age_business_days,
    age_in_days(f.aged_from, first.ends_at, first.date, f.aged_to, last.ends_at, last.date) AS age_days,
    age_bucket(age_days) AS bucket
FROM found AS f
ASOF LEFT JOIN beginnings AS first
    ON first.of_calendar = f.calendar AND first.by_day = f.aged_by_day AND first.begins_at <= f.aged_from
ASOF LEFT JOIN days AS last ON last.of_calendar = f.calendar AND last.starts_at <= f.aged_to;

CREATE OR REPLACE VIEW exceptions_at AS
SELECT * FROM exceptions_of(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = []);
