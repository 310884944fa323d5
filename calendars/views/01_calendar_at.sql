-- The days of every calendar as known at K: of each calendar the version that held then.
CREATE OR REPLACE VIEW calendar_at AS
SELECT *
FROM calendar
WHERE (calendar, known_at) IN (
    SELECT calendar, max(known_at)
    FROM calendar
    WHERE known_at <= {known_at:DateTime64(6, 'UTC')}
    GROUP BY calendar);
