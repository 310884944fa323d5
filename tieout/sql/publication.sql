-- How many figures a run published, and a digest of them
SELECT
    count() AS figures,
    lower(hex(SHA256(arrayStringConcat(arraySort(groupArray(toString((
        kpi, version, workflow, dimension, segment, measure, unit, value, low, high, numerator, denominator, n,
        window_start, as_of, known_at, published_at)))), '\n')))) AS digest
FROM kpi_values
WHERE run_id = {run_id:String}
