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
            SELECT lower(hex(sipHash128(workflow, expectation, item_type, item_key, opened_by)))
            FROM expectations WHERE item_key IN {items:Array(String)}))
    GROUP BY exception_id
)
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
    dateDiff('day', v.detected_at, least(ifNull(resolved_at, {as_of:DateTime64(6, 'UTC')}), {as_of:DateTime64(6, 'UTC')})) AS age_days,
    multiIf(age_days <= 1, '0-1', age_days <= 3, '2-3', age_days <= 7, '4-7', age_days <= 30, '8-30',
        age_days <= 60, '31-60', age_days <= 90, '61-90', '>90') AS bucket
FROM verdicts_of(
    as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = {items:Array(String)}) AS v
LEFT JOIN acts AS a ON a.exception_id = v.exception_id
WHERE isNotNull(v.detected_at);

CREATE OR REPLACE VIEW exceptions_at AS
SELECT * FROM exceptions_of(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = []);
