-- Everything that happened to one object by V as known at K, once each, in business order.
SELECT
    e.event_id AS event_id, any(e.step) AS step, any(e.occurred_at) AS at, min(e.known_at) AS learned_at,
    any(e.outcome) AS outcome, any(e.attempt) AS attempt, any(e.actor) AS actor, any(e.source) AS source,
    any(e.amount) AS amount, any(e.currency) AS currency, any(e.trace_id) AS trace_id, any(e.span_id) AS span_id,
    any(d.source_ref) AS source_ref, any(d.attributes) AS attributes,
    any(arrayFilter(o -> o.2 != {object_key:String}, arrayZip(d.objects.type, d.objects.key))) AS others
FROM event_objects AS e
LEFT JOIN (
    SELECT event_id, source_ref, attributes, objects.type, objects.key
    FROM events
    WHERE (workflow, step, occurred_at, event_id) IN (
        SELECT workflow, step, occurred_at, event_id
        FROM event_objects
        WHERE workflow = {workflow:String} AND object_type = {object_type:String} AND object_key = {object_key:String})
) AS d ON d.event_id = e.event_id
WHERE e.workflow = {workflow:String} AND e.object_type = {object_type:String} AND e.object_key = {object_key:String}
    AND e.occurred_at <= {as_of:DateTime64(6, 'UTC')} AND e.known_at <= {known_at:DateTime64(6, 'UTC')}
GROUP BY e.event_id
ORDER BY at, indexOf({steps:Array(String)}, step), event_id
LIMIT 1000
