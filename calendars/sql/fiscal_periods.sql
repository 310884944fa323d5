-- The fiscal periods of a calendar, in order; one that is cut where the calendar begins or ends is left out
SELECT fiscal_year, fiscal_period, min(c.starts_at) AS starts_at, max(c.ends_at) AS ends_at
FROM calendar_at(known_at = {known_at:DateTime64(6, 'UTC')}) AS c
WHERE calendar = {calendar:String} AND isNotNull(fiscal_period)
GROUP BY fiscal_year, fiscal_period, period_starts_on, period_ends_on
HAVING min(date) = period_starts_on AND max(date) = period_ends_on
ORDER BY starts_at
