-- The smallest window by which each arrival was in time, in the unit of its rule: whole seconds of the clock (s), business days (bd)
-- or whole seconds of working time (bs)
WITH
days AS (
    SELECT calendar AS of_calendar, starts_at, ends_at, ordinal, opens_at, closes_at, cutoff_at, business_s
    FROM calendar_at(known_at = {calendars_at:DateTime64(6, 'UTC')})
    WHERE calendar IN {calendars:Array(String)}
),
placed AS (
    SELECT
        a.expectation AS expectation, a.opened_at AS opened_at, a.closed_at AS closed_at,
        -- Where the calendar does not reach from one end to the other, its days and hours are those of the clock.
        a.unit AS unit, first.ends_at > a.opened_at AND last.ends_at > a.closed_at AS reached,
        dateDiff('microsecond', a.opened_at, a.closed_at) AS clock_us,
        business_day_of(a.closed_at, last.ordinal, last.cutoff_at)
            - business_day_of(a.opened_at, first.ordinal, first.cutoff_at) AS business_days,
        business_us_by(a.closed_at, last.business_s, last.opens_at, last.closes_at)
            - business_us_by(a.opened_at, first.business_s, first.opens_at, first.closes_at) AS working_us,
        -- A window of working time ends within it: what came outside is in time by the first second after the next opening.
        clock_us = 0 OR (a.closed_at > last.opens_at AND a.closed_at <= last.closes_at) AS in_working_time
    FROM arrivals AS a
    ASOF LEFT JOIN days AS first ON first.of_calendar = a.calendar AND first.starts_at <= a.opened_at
    ASOF LEFT JOIN days AS last ON last.of_calendar = a.calendar AND last.starts_at <= a.closed_at
)
SELECT
    expectation,
    toInt64(multiIf(
        unit = 'bd', if(reached, business_days, intDiv(clock_us + 86399999999, 86400000000)),
        unit = 'bs' AND reached, if(in_working_time, intDiv(working_us + 999999, 1000000), intDiv(working_us, 1000000) + 1),
        intDiv(clock_us + 999999, 1000000))) AS lag
FROM placed
