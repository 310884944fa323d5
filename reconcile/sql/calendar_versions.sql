-- The newest version of each of some calendars
SELECT calendar, argMax(version, known_at) AS version
FROM calendar
WHERE calendar IN {calendars:Array(String)}
GROUP BY calendar
ORDER BY calendar
