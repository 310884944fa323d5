-- The columns of a source as they were last seen
SELECT name, argMax(after, known_at) AS kind
FROM probe_columns
WHERE probe = {source:String}
GROUP BY name
HAVING argMax(change, known_at) != 'vanished'
