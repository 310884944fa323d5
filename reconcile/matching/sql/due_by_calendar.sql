-- When each leg is due by a record, and which business day it counts for, of rules of which some parts are in business time
-- Each moment that records count from is looked up once in each calendar that is asked.
WITH
days AS (
    SELECT calendar, date, starts_at, ends_at, is_business, ordinal, opens_at, closes_at, cutoff_at, business_s
    FROM calendar_at(known_at = {calendars_at:DateTime64(6, 'UTC')})
    WHERE calendar IN {calendars:Array(String)}
),
asked AS (
    SELECT
        m.counts_from AS counts_from, m.is_date AS is_date, m.clock.place AS place, m.clock.calendar AS calendar, m.clock.unit AS unit,
        m.clock.amount AS amount,
        -- A date begins with its day in the calendar's zone.
        if(m.is_date AND d.calendar != '', d.starts_at, m.counts_from) AS moment
    FROM (
        SELECT counts_from, is_date, clock
        FROM (SELECT DISTINCT counts_from, is_date FROM dated)
        ARRAY JOIN {clocks:Array(Tuple(place UInt8, calendar String, unit String, amount Int64))} AS clock
    ) AS m
    LEFT JOIN days AS d ON d.calendar = m.clock.calendar AND d.date = toDate32(m.counts_from)
),
-- The day it counts from; where the calendar does not reach, its days and hours are those of the clock.
placed AS (
    SELECT
        a.*,
        if(d.ends_at > a.moment, a.calendar, '') AS counts_by,
        business_day_of(a.moment, d.ordinal, d.cutoff_at) + a.amount AS last_day,
        business_us_by(a.moment, d.business_s, d.opens_at, d.closes_at) + a.amount * 3600000000 AS last_us
    FROM asked AS a
    ASOF LEFT JOIN days AS d ON d.calendar = a.calendar AND d.starts_at <= a.moment
),
looked_up_days AS (
    SELECT
        counts_from, is_date, place,
        if(counts_by = '', toInt32(toDate32(counts_from)), last_day) AS day_number,
        multiIf(
            -- Business days end with the last moment that counts for the last of them.
            unit = 'bd' AND by_day.calendar != '', by_day.cutoff_at,
            unit = 'bh' AND by_hour.calendar != '', greatest(moment, addMicroseconds(by_hour.opens_at, last_us - by_hour.before_us)),
            addSeconds(counts_from, amount * multiIf(unit = 'bd', 86400, unit = 'bh', 3600, 1))) AS due_at
    FROM placed
    LEFT JOIN (SELECT calendar, ordinal, cutoff_at FROM days WHERE is_business) AS by_day
        ON by_day.calendar = placed.counts_by AND by_day.ordinal = placed.last_day
    -- The business day in which the last hour ends.
    ASOF LEFT JOIN (SELECT calendar, opens_at, business_s * 1000000 AS before_us FROM days WHERE is_business) AS by_hour
        ON by_hour.calendar = placed.counts_by AND by_hour.before_us < placed.last_us
)
SELECT d.*, c.due AS due, c.business_day AS business_day
FROM dated AS d
INNER JOIN (
    SELECT
        counts_from, is_date,
        arrayMap(x -> x.2, arraySort(x -> x.1, groupArrayIf((place, due_at), place > 0))) AS due,
        toInt32(maxIf(day_number, place = 0)) AS business_day
    FROM looked_up_days
    GROUP BY counts_from, is_date
) AS c ON c.counts_from = d.counts_from AND c.is_date = d.is_date
