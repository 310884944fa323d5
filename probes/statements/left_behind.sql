-- Readings of one label that nobody is at work on any more; their names end with when they began and whose they are
SELECT DISTINCT reading
FROM (
    SELECT _partition_value.1 AS reading FROM probe_rows
    UNION ALL
    SELECT _partition_value.1 AS reading FROM probe_states
)
WHERE reading = {label:String} OR (startsWith(reading, concat({label:String}, ', ')) AND reading < {before:String})
