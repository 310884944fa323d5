-- The files of a probe as they were when they were last read
SELECT file, argMax(fingerprint, known_at) AS last_fingerprint FROM probe_files WHERE probe = {source:String} GROUP BY file
