-- Which records a decision looks among: those of one version of a rule, as one of its keys sees them. The number of `match_records.stream`.
CREATE OR REPLACE FUNCTION stream_of AS (rule, version, pass) -> cityHash64(rule, version, toUInt8(pass));
