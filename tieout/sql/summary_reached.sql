-- How many items of the main type reached each step at least once.
SELECT step, uniqExact(object_key) AS items, uniqExact(event_id) AS occurrences
FROM event_objects
WHERE workflow = {workflow:String} AND object_type = {item:String}
    AND occurred_at <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
GROUP BY step
ORDER BY items DESC, step
