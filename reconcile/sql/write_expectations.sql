-- Stores expectations, each due so many seconds after its opening
INSERT INTO expectations (
    workflow, version, expectation, kind, item_type, item_key, opened_at, opened_by, opened_step, due_at,
    closed_at, closed_by, closed_as, reversed_at, failed_at, amount, currency,
    code, clock, owner, tolerance_abs, tolerance_pct, sources, dims, trace_id, known_at, evidence, calendar, heard_from
)
SELECT
    {workflow:String}, {version:String}, expectation, kind, item_type, item_key, opened_at, opened_by, opened_step,
    addSeconds(opened_at, within),
    closed_at, closed_by, closed_as, reversed_at, failed_at, amount, currency,
    code, clock, owner, tolerance_abs, tolerance_pct, sources, dims, trace_id, known_at, evidence, calendar, heard_from
FROM (
{query}
)
