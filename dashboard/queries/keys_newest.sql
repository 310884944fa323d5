-- Keys with the newest events of a workflow, as examples
SELECT object_type, object_key, max(occurred_at) AS last_at
FROM event_objects
WHERE workflow = {workflow:String} AND occurred_at > {since:DateTime64(6, 'UTC')} AND occurred_at <= {as_of:DateTime64(6, 'UTC')}
GROUP BY object_type, object_key
ORDER BY last_at DESC, object_type, object_key
LIMIT 5
