-- What takes time as of (V, K): waiting for a step (clock step, sync, end_to_end) and for an exception's end (resolution).
-- `ended_as`: done (it came), left (void or written off: it can no longer come), empty while open at V.
CREATE OR REPLACE VIEW durations_at AS
SELECT
    workflow, dims, opened_at AS started_at, closed_at AS ended_at,
    multiIf(isNull(closed_at), '', closed_as = 'arrived', 'done', 'left') AS ended_as
FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
WHERE {clock:String} != 'resolution' AND kind = 'sequence' AND clock = {clock:String}
UNION ALL
SELECT
    workflow, dims, assumeNotNull(detected_at) AS started_at,
    if(resolved_at <= {as_of:DateTime64(6, 'UTC')}, resolved_at, NULL) AS ended_at,
    multiIf(isNull(ended_at), '', closed_as = 'voided', 'left', 'done') AS ended_as
FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
WHERE {clock:String} = 'resolution';
