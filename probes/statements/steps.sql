-- Steps the states prove, as events with an identity of object, step and time
INSERT INTO events (
    event_id, workflow, step, occurred_at, known_at, objects.type, objects.key, objects.role, amount, currency, outcome,
    attempt, actor, dims, attributes, trace_id, span_id, source, source_ref
)
WITH
proven AS (
    SELECT
        s.object_key AS own_key, step.step AS step_name, step.at AS step_at,
        argMax(s.links, s.number) AS refers_to,
        argMax(tuple(s.amount), s.number).1 AS step_amount,
        argMax(s.currency, s.number) AS step_currency,
        argMax(s.fields, s.number) AS said,
        lower(hex(sipHash128({source:String}, {object_type:String}, own_key, step_name, toUnixTimestamp64Micro(step_at)))) AS id
    FROM probe_states AS s
    ARRAY JOIN s.steps AS step
    WHERE s.reading = {reading:String} AND s.place != 'aside'
    GROUP BY own_key, step_name, step_at
)
SELECT
    id, {workflow:String}, step_name, step_at, {known_at:DateTime64(6, 'UTC')},
    arrayConcat([{object_type:String}], refers_to.type),
    arrayConcat([own_key], refers_to.key),
    arrayConcat([''], refers_to.role),
    step_amount, step_currency,
    if(has({failed_steps:Array(String)}, step_name), 'failed', 'ok'), 1, '',
    mapUpdate(
        map('system', {system:String}),
        CAST(mapFilter((k, v) -> has({dimensions:Array(String)}, k) AND v != '', said), 'Map(String, String)')),
    map(), '', '', {source:String}, {run_id:String}
FROM proven
WHERE id NOT IN (
    SELECT event_id FROM events WHERE workflow = {workflow:String} AND step IN {all_steps:Array(String)} AND source = {source:String})
