-- Verdicts of expectations of named items, as of (V, K).
SELECT
    workflow, expectation, kind, code, clock, owner, item_type, item_key, exception_id, opened_at, opened_step, due_at,
    closed_at, closed_by, closed_as, reversed_at, failures, failed_at, expected, actual, residual, amount, currency,
    watermark, covered, state, failing, detected_at, resolved_at, opened_by, trace_id, version, known_at
FROM expectation_verdicts_of(
    as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = {items:Array(String)})
WHERE workflow = {workflow:String} AND item_type IN {types:Array(String)}
ORDER BY opened_at, expectation
LIMIT 1000
