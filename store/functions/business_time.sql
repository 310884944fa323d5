-- Business time, of a moment and the columns of the day of `calendar_at` that it falls on (docs/reference/calendars.md).
-- The business day it counts for, as an ordinal: after the cut-off and on a day that is not worked, the next one.
CREATE OR REPLACE FUNCTION business_day_of AS (moment, ordinal, cutoff_at) -> ordinal + (moment > cutoff_at);
-- Microseconds of working time up to it, from the first day of the calendar.
CREATE OR REPLACE FUNCTION business_us_by AS (moment, business_s, opens_at, closes_at) ->
    business_s * 1000000 + dateDiff('microsecond', opens_at, least(greatest(moment, opens_at), closes_at));
-- Ages, of two moments and the days that they fall on. By the dates of the calendar; by those of UTC without one, or where it
-- does not reach from one end to the other.
CREATE OR REPLACE FUNCTION age_in_days AS (moment, first_ends_at, first_date, until, last_ends_at, last_date) ->
    if(first_ends_at > moment AND last_ends_at > until, dateDiff('day', first_date, last_date), dateDiff('day', moment, until));
-- Unknown without a calendar, or where it does not reach.
CREATE OR REPLACE FUNCTION age_in_business_days AS (moment, first_ends_at, first_ordinal, until, last_ends_at, last_ordinal) ->
    if(first_ends_at > moment AND last_ends_at > until, last_ordinal - first_ordinal, NULL);
-- The bucket of an age in days.
CREATE OR REPLACE FUNCTION age_bucket AS (days) -> multiIf(
    days <= 1, '0-1', days <= 3, '2-3', days <= 7, '4-7', days <= 30, '8-30', days <= 60, '31-60', days <= 90, '61-90', '>90'
);
