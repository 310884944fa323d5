-- Stores expectations of rules of which some allow business days (bd) or seconds of working time (bs)
INSERT INTO expectations (
    workflow, version, expectation, kind, item_type, item_key, opened_at, opened_by, opened_step, due_at,
    closed_at, closed_by, closed_as, reversed_at, failed_at, amount, currency,
    code, clock, owner, tolerance_abs, tolerance_pct, sources, dims, trace_id, known_at, evidence, calendar, heard_from
)
WITH
days AS (
    SELECT calendar, starts_at, ends_at, is_business, ordinal, opens_at, closes_at, cutoff_at, business_s
    FROM calendar_at(known_at = {calendars_at:DateTime64(6, 'UTC')})
    WHERE calendar IN {calendars:Array(String)}
),
-- The day it opened on; where the calendar does not reach, its days and hours are those of the clock.
placed AS (
    SELECT
        e.*,
        if(d.ends_at > e.opened_at AND e.unit != 's', e.calendar, '') AS counts_by,
        business_day_of(e.opened_at, d.ordinal, d.cutoff_at) + e.within AS last_day,
        business_us_by(e.opened_at, d.business_s, d.opens_at, d.closes_at) + e.within * 1000000 AS last_us
    FROM (
{query}
    ) AS e
    ASOF LEFT JOIN days AS d ON d.calendar = e.calendar AND d.starts_at <= e.opened_at
)
SELECT
    {workflow:String}, {version:String}, expectation, kind, item_type, item_key, opened_at, opened_by, opened_step,
    multiIf(
        -- Business days end with the last moment that counts for the last of them.
        unit = 'bd' AND by_day.calendar != '', by_day.cutoff_at,
        unit = 'bs' AND by_hour.calendar != '',
            greatest(opened_at, addMicroseconds(by_hour.opens_at, last_us - by_hour.before_us)),
        addSeconds(opened_at, within * if(unit = 'bd', 86400, 1))),
    closed_at, closed_by, closed_as, reversed_at, failed_at, amount, currency,
    code, clock, owner, tolerance_abs, tolerance_pct, sources, dims, trace_id, known_at, evidence, placed.calendar, heard_from
FROM placed
LEFT JOIN (SELECT calendar, ordinal, cutoff_at FROM days WHERE is_business) AS by_day
    ON by_day.calendar = placed.counts_by AND by_day.ordinal = placed.last_day
-- The business day in which the last hour ends.
ASOF LEFT JOIN (SELECT calendar, opens_at, business_s * 1000000 AS before_us FROM days WHERE is_business) AS by_hour
    ON by_hour.calendar = placed.counts_by AND by_hour.before_us < placed.last_us
