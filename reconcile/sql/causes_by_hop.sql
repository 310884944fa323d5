-- Open exceptions of a workflow by the first hop that failed in the traces of their items, as of (V, K); those without one last.
WITH
-- A failure is passed on to whoever called: the hop is the failed span that has no failed span below it.
failed AS (
    SELECT
        TraceId AS trace_id, groupArray(ParentSpanId) AS callers,
        groupArray((Timestamp AS at, SpanId AS span_id, (
            toString(ServiceName), toString(SpanName), ResourceAttributes['service.version'],
            coalesce(nullIf(SpanAttributes['error.type'], ''), nullIf(arrayFirst(e -> e['exception.type'] != '', Events.Attributes)['exception.type'], ''),
                SpanAttributes['http.response.status_code'])) AS hop)) AS spans,
        arrayFilter(s -> NOT has(callers, s.2), spans) AS own
    FROM otel_traces
    WHERE StatusCode IN ('Error', 'STATUS_CODE_ERROR') AND TraceId != ''
        AND Timestamp <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
    GROUP BY trace_id
),
touched AS (
    -- Items of matching rules with a leg of events are events.
    SELECT item.1 AS object_type, item.2 AS object_key, arrayDistinct(arrayFlatten(groupArray(f.own))) AS hops
    FROM event_objects AS e
    INNER JOIN failed AS f ON f.trace_id = e.trace_id
    ARRAY JOIN [(toString(e.object_type), e.object_key), ('', e.event_id)] AS item
    WHERE e.workflow = {workflow:String} AND e.trace_id != ''
        AND e.occurred_at <= {as_of:DateTime64(6, 'UTC')} AND e.known_at <= {known_at:DateTime64(6, 'UTC')}
    GROUP BY object_type, object_key
),
-- What failed before the item waited for anything was got over; without anything since, the first of all.
caused AS (
    SELECT
        x.exception_id AS exception_id, x.item_type AS item_type, x.item_key AS item_key, x.expectation AS expectation,
        x.amount AS amount, if(x.currency = '', 'XXX', toString(x.currency)) AS code, x.opened_at AS opened_at,
        arrayFirst(h -> true, arraySort(h -> (h.1 < x.opened_at, h.1, h.2), t.hops)).3 AS hop
    FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}) AS x
    LEFT JOIN touched AS t ON t.object_type = x.item_type AND t.object_key = x.item_key
    WHERE x.workflow = {workflow:String} AND x.is_open = 1
)
SELECT
    hop.1 AS service, hop.2 AS name, hop.3 AS version, hop.4 AS error,
    count() AS exceptions, uniqExact(item_type, item_key) AS items,
    arraySort(groupUniqArray(toString(expectation))) AS expectations,
    sumMapIf(map(code, abs(assumeNotNull(amount))), isNotNull(amount)) AS amounts,
    min(opened_at) AS since, max(opened_at) AS last_at,
    arrayMap(e -> e.2, arraySlice(arraySort(groupArray((opened_at, exception_id))), 1, 3)) AS examples
FROM caused
GROUP BY hop
ORDER BY service = '', exceptions DESC, hop
