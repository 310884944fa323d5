-- The first line of a file.
SELECT line FROM file({path:String}, 'LineAsString', 'line String') LIMIT 1
