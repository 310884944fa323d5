-- Everything that happened to one object by V as known at K, once each, in business order.
SELECT
    event_id, any(e.step) AS step, any(e.occurred_at) AS at, min(e.known_at) AS learned_at,
    any(e.outcome) AS outcome, any(e.attempt) AS attempt, any(e.actor) AS actor, any(e.source) AS source,
    any(e.amount) AS amount, any(e.currency) AS currency, any(e.trace_id) AS trace_id, any(e.span_id) AS span_id,
    any(e.source_ref) AS source_ref, any(e.attributes) AS attributes,
    any(arrayFilter(o -> o.2 != {object_key:String}, arrayZip(e.objects.type, e.objects.key))) AS others
FROM events AS e
WHERE (e.workflow, e.step, e.occurred_at, e.event_id) IN (
        SELECT workflow, step, occurred_at, event_id
        FROM event_objects
        WHERE workflow = {workflow:String} AND object_type = {object_type:String} AND object_key = {object_key:String})
    AND e.occurred_at <= {as_of:DateTime64(6, 'UTC')} AND e.known_at <= {known_at:DateTime64(6, 'UTC')}
GROUP BY event_id
ORDER BY at, indexOf({steps:Array(String)}, step), event_id
LIMIT 1000
