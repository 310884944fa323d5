-- Expectations with the window that was learned by the day they opened on, or became known on if that was before
SELECT
    e.* EXCEPT (within, unit),
    multiIf(NOT w.learned, e.within, w.learned_unit = 'bd', toInt64(w.window_bd), w.window_s) AS within,
    if(w.learned, w.learned_unit, e.unit) AS unit
FROM (
{query}
) AS e
LEFT JOIN (
    SELECT toString(expectation) AS of_expectation, learned_at, learned, toString(unit) AS learned_unit, window_s, window_bd
    FROM learned_windows
    WHERE workflow = {workflow:String} AND version = {version:String}
) AS w ON w.of_expectation = e.expectation AND w.learned_at = toDateTime64(toDate32(least(e.opened_at, e.known_at)), 6, 'UTC')
