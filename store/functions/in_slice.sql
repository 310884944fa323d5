-- Whether a key belongs to one of `slices` parts of about the same size, counted from 0. Work on very many objects is done
-- part by part, so that memory and time of each statement are bounded.
CREATE OR REPLACE FUNCTION in_slice AS (key, slices, slice) -> slices = 1 OR cityHash64(key) % slices = slice;
