-- Hours of which a table has rows: what is read at once, by which memory is bounded.
SELECT DISTINCT toStartOfHour(Timestamp, 'UTC') AS hour FROM {database:Identifier}.{table:Identifier} ORDER BY hour
