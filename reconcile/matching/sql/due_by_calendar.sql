-- When each leg is due by a record, and which business day it counts for, of rules of which some windows are in business time or learned
-- Each moment that records count from is looked up once in each calendar that is asked.
WITH
days AS (
    SELECT calendar, date, starts_at, ends_at, is_business, ordinal, opens_at, closes_at, cutoff_at, business_s
    FROM calendar_at(known_at = {calendars_at:DateTime64(6, 'UTC')})
    WHERE calendar IN {calendars:Array(String)}
),
opened AS (
    -- Windows that are learned are those of a day, which may be before the record's.
    SELECT *, if({learns:Bool}, toDateTime64(toDate32(known_at), 6, 'UTC'), toDateTime64(0, 6, 'UTC')) AS known_on
    FROM dated
),
asked AS (
    SELECT
        m.counts_from AS counts_from, m.is_date AS is_date, m.known_on AS known_on, m.clock.place AS place, m.clock.calendar AS calendar,
        m.clock.unit AS unit, m.clock.within AS within, m.clock.expectation AS expectation,
        -- A date begins with its day in the calendar's zone.
        if(m.is_date AND d.calendar != '', d.starts_at, m.counts_from) AS opened_at, known_on AS known_at,
        if(expectation = '', toDateTime64(0, 6, 'UTC'), toDateTime64(toDate32(least(opened_at, known_on)), 6, 'UTC')) AS learned_at
    FROM (
        SELECT counts_from, is_date, known_on, clock
        FROM (SELECT DISTINCT counts_from, is_date, known_on FROM opened)
        ARRAY JOIN {clocks:Array(Tuple(place UInt8, calendar String, unit String, within Int64, expectation String))} AS clock
    ) AS m
    LEFT JOIN days AS d ON d.calendar = m.clock.calendar AND d.date = toDate32(m.counts_from)
),
-- With the windows that were learned, where some are.
windows AS (
{windows}
),
-- The day it counts from; where the calendar does not reach, its days and hours are those of the clock.
placed AS (
    SELECT
        a.*,
        if(d.ends_at > a.opened_at, a.calendar, '') AS counts_by,
        business_day_of(a.opened_at, d.ordinal, d.cutoff_at) + a.within AS last_day,
        business_us_by(a.opened_at, d.business_s, d.opens_at, d.closes_at) + a.within * 1000000 AS last_us
    FROM windows AS a
    ASOF LEFT JOIN days AS d ON d.calendar = a.calendar AND d.starts_at <= a.opened_at
),
looked_up_days AS (
    SELECT
        counts_from, is_date, known_on, place, opened_at, learned_at,
        if(counts_by = '', toInt32(toDate32(counts_from)), last_day) AS day_number,
        multiIf(
            -- Business days end with the last moment that counts for the last of them.
            unit = 'bd' AND by_day.calendar != '', by_day.cutoff_at,
            unit = 'bs' AND by_hour.calendar != '', greatest(opened_at, addMicroseconds(by_hour.opens_at, last_us - by_hour.before_us)),
            addSeconds(counts_from, within * if(unit = 'bd', 86400, 1))) AS due_at
    FROM placed
    LEFT JOIN (SELECT calendar, ordinal, cutoff_at FROM days WHERE is_business) AS by_day
        ON by_day.calendar = placed.counts_by AND by_day.ordinal = placed.last_day
    -- The business day in which the last hour ends.
    ASOF LEFT JOIN (SELECT calendar, opens_at, business_s * 1000000 AS before_us FROM days WHERE is_business) AS by_hour
        ON by_hour.calendar = placed.counts_by AND by_hour.before_us < placed.last_us
)
SELECT d.* EXCEPT (known_on), c.due AS due, c.business_day AS business_day
FROM opened AS d
INNER JOIN (
    SELECT
        counts_from, is_date, known_on,
        arrayMap(x -> (x.2, x.3, x.4), arraySort(x -> x.1, groupArrayIf((place, opened_at, due_at, learned_at), place > 0))) AS due,
        toInt32(maxIf(day_number, place = 0)) AS business_day
    FROM looked_up_days
    GROUP BY counts_from, is_date, known_on
) AS c ON c.counts_from = d.counts_from AND c.is_date = d.is_date AND c.known_on = d.known_on
