-- The files of a probe as they were when they were last read; those of the last reading tell how new it was
SELECT
    file, argMax(fingerprint, known_at) AS last_fingerprint, argMax(as_of, known_at) AS last_as_of,
    max(known_at) = (SELECT max(known_at) FROM probe_files WHERE probe = {source:String}) AS of_last
FROM probe_files
WHERE probe = {source:String}
GROUP BY file
