-- Exceptions as of (V, K) with the service level that holds for each: how soon it must be taken on and over, and how that
-- stands at V. The clock of an exception starts when it began and stands still while it is waived. What people did after V
-- counts as done at V, as everywhere.
-- Each clock is read off a scale: microseconds, or the business days or working time of a calendar up to a moment.
CREATE OR REPLACE VIEW service_levels_at AS
WITH
in_force AS (
    SELECT *
    FROM service_levels
    WHERE position > 0 AND activated_at = (
        SELECT max(activated_at) FROM service_levels WHERE activated_at <= {known_at:DateTime64(6, 'UTC')})
),
levels_known AS (
    SELECT
        arraySort(r -> r.place, groupArray(CAST(
            (position, name, workflow, expectation, code, owner, currency, at_least, severity, calendar,
                acknowledge_s * 1000000, acknowledge_unit, acknowledge_count, resolve_s * 1000000, resolve_unit, resolve_count),
            'Tuple(place UInt16, name String, workflow String, expectation String, code String, owner String, currency String, at_least Nullable(Decimal(38, 6)), severity String, calendar String, acknowledge_us Int64, acknowledge_unit String, acknowledge_count Int64, resolve_us Int64, resolve_unit String, resolve_count Int64)'))) AS levels
    FROM in_force
),
-- The days of all calendars one after another, each calendar as many: a moment finds its day by halving, as often as a
-- clock has moments and without a join for each. Nothing where no level is in business time.
(
    SELECT (
        arrayCompact(groupArray(calendar)), groupArray(toUnixTimestamp64Micro(starts_at)),
        groupArray(toUnixTimestamp64Micro(opens_at)), groupArray(toUnixTimestamp64Micro(closes_at)),
        groupArray(toUnixTimestamp64Micro(cutoff_at)), groupArray(toInt64(ordinal)), groupArray(toInt64(business_s) * 1000000))
    FROM (
        SELECT calendar, starts_at, opens_at, closes_at, cutoff_at, ordinal, business_s
        FROM calendar_at(known_at = {known_at:DateTime64(6, 'UTC')})
        WHERE date BETWEEN toDate32({as_of:DateTime64(6, 'UTC')}) - 3653 AND toDate32({as_of:DateTime64(6, 'UTC')}) + 1461
            AND (SELECT countIf(acknowledge_unit != '' OR resolve_unit != '') FROM in_force) > 0
        ORDER BY calendar, date
    )
) AS book,
book.1 AS names,
book.2 AS starts,
book.3 AS opens,
book.4 AS closes,
book.5 AS cutoffs,
book.6 AS ordinals,
book.7 AS worked,
toInt64(intDiv(length(starts), greatest(1, length(names)))) AS days,
arrayFilter(step -> step <= days, [8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1]) AS steps,
timed AS (
    SELECT
        e.*,
        arrayFirst(
            r -> r.workflow IN ('', e.workflow) AND r.expectation IN ('', e.expectation) AND r.code IN ('', e.code)
                AND r.owner IN ('', e.owner) AND r.currency IN ('', e.currency)
                AND (isNull(r.at_least) OR ifNull(abs(e.amount) >= r.at_least, false)),
            levels) AS rule,
        toUnixTimestamp64Micro(assumeNotNull(e.detected_at)) AS began_us,
        toUnixTimestamp64Micro({as_of:DateTime64(6, 'UTC')}) AS now_us,
        if(isNull(e.resolved_at), NULL, least(toUnixTimestamp64Micro(e.resolved_at), now_us)) AS ended_us,
        if(isNull(e.taken_on_at), ended_us, least(toUnixTimestamp64Micro(e.taken_on_at), ifNull(ended_us, now_us), now_us)) AS taken_us,
        ifNull(ended_us, now_us) AS counted_to_us,
        toInt64(indexOf(names, if(rule.calendar != '', rule.calendar, e.calendar))) AS of_calendar
    FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}) AS e
    CROSS JOIN levels_known
),
-- When it began, and from when to when it was waived, one after the other, on each scale.
scaled AS (
    SELECT
        *,
        greatest(of_calendar - 1, 0) * days AS first_day,
        -- Where the calendar does not reach, its days and hours are those of the clock.
        of_calendar > 0 AND starts[first_day + 1] <= began_us AS reached,
        arrayConcat([began_us], arrayFlatten(arrayMap(w -> [w.1, w.2], arrayFilter(w -> w.2 > w.1, arrayMap(
            w -> (greatest(toUnixTimestamp64Micro(w.1), began_us), least(toUnixTimestamp64Micro(w.2), counted_to_us)), waived_during))))) AS moments,
        arrayMap(moment -> (moment, first_day + arrayFold((at, step) -> if(
            at + step <= days AND starts[first_day + at + step] <= moment, at + step, at), steps, toInt64(0))), moments) AS placed,
        arrayMap((moment, day) -> ordinals[day] + (moment > cutoffs[day]), placed) AS days_by,
        arrayMap((moment, day) -> worked[day] + least(greatest(moment, opens[day]), closes[day]) - opens[day], placed) AS hours_by
    FROM timed
),
-- Of both clocks: the unit it counts in, what is allowed, the place on its scale where that ends, and the moment.
due AS (
    SELECT
        *,
        [(rule.acknowledge_unit, rule.acknowledge_us, rule.acknowledge_count), (rule.resolve_unit, rule.resolve_us, rule.resolve_count)] AS said,
        arrayMap((unit, us, n) -> multiIf(
            unit = 'bd' AND reached, (unit, n, days_by),
            unit = 'bh' AND reached, (unit, n * 3600000000, hours_by),
            ('', us + n * if(unit = 'bd', 86400000000, 3600000000), moments)), said) AS clocks,
        -- The first clock does not stand still.
        arrayMap((c, n) -> (c.1, c.2 + c.3[1] + if(n = 1, 0, arraySum(
            (place, i) -> multiIf(i = 1, 0, i % 2 = 0, -place, place), c.3, arrayEnumerate(c.3)))), clocks, [1, 2]) AS ending,
        -- With the last day before which less than that is over.
        arrayMap((unit, place) -> (unit, place, arrayFold((at, step) -> if(
            at + step <= days AND if(unit = 'bd', ordinals[first_day + at + step], worked[first_day + at + step]) < place, at + step, at),
            steps, toInt64(0))), ending) AS found,
        -- Unknown beyond the last day of the book.
        arrayMap((f, s) -> multiIf(
            s.1 = '' AND s.2 = 0, NULL,
            f.1 = '', f.2,
            f.3 >= days, NULL,
            f.1 = 'bd', cutoffs[first_day + f.3 + 1],
            greatest(began_us, opens[first_day + f.3] + f.2 - worked[first_day + f.3])), found, said) AS due_us
    FROM scaled
)
SELECT
    * EXCEPT (
        rule, began_us, now_us, ended_us, taken_us, counted_to_us, of_calendar, first_day, reached, moments, placed, days_by,
        hours_by, said, clocks, ending, found, due_us),
    rule.name AS service_level,
    rule.severity AS severity,
    fromUnixTimestamp64Micro(due_us[1], 'UTC') AS acknowledge_by,
    multiIf(
        said[1].1 = '' AND said[1].2 = 0, 'none',
        ifNull(ifNull(taken_us, now_us) > due_us[1], false), 'breached',
        isNotNull(taken_us), 'met',
        'running') AS acknowledge_clock,
    fromUnixTimestamp64Micro(due_us[2], 'UTC') AS resolve_by,
    multiIf(
        said[2].1 = '' AND said[2].2 = 0, 'none',
        ifNull(counted_to_us > due_us[2], false), 'breached',
        isNotNull(ended_us), 'met',
        status = 'waived', 'paused',
        'running') AS resolve_clock,
    -- Hours, of whatever calendar, to the next thing that is due; below zero it is late.
    multiIf(
        isNotNull(ended_us), NULL,
        isNull(taken_us) AND isNotNull(due_us[1]), toFloat64(due_us[1] - now_us) / 3600000000,
        toFloat64(due_us[2] - now_us) / 3600000000) AS hours_left
FROM due;
