-- Every wait for a step as of (V, K), with how long it is past its due time at V: in days and in business days of its calendar.
-- Below zero it is not due yet.
CREATE OR REPLACE VIEW waits_at AS
SELECT
    v.*,
    age_in_days(v.due_at, first.ends_at, first.date, {as_of:DateTime64(6, 'UTC')}, last.ends_at, last.date) AS days_past,
    age_in_business_days(v.due_at, first.ends_at, first.ordinal, {as_of:DateTime64(6, 'UTC')}, last.ends_at, last.ordinal)
        AS business_days_past
FROM (
    SELECT *, {as_of:DateTime64(6, 'UTC')} AS until
    FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE kind = 'sequence'
) AS v
ASOF LEFT JOIN calendar_at(known_at = {known_at:DateTime64(6, 'UTC')}) AS first ON first.calendar = v.calendar AND first.starts_at <= v.due_at
ASOF LEFT JOIN calendar_at(known_at = {known_at:DateTime64(6, 'UTC')}) AS last ON last.calendar = v.calendar AND last.starts_at <= v.until;
