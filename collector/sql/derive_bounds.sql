-- How many spans may be steps of a workflow, and the stretch of business time they lie in.
SELECT
    count() AS spans,
    min(toDateTime64(Timestamp, 6, 'UTC')) AS first_at,
    max(toDateTime64(Timestamp, 6, 'UTC')) AS last_at
FROM otel_traces
WHERE known_at > {from:DateTime64(6, 'UTC')} AND known_at <= {until:DateTime64(6, 'UTC')}
    AND ScopeName != 'tieout.collector'
    AND (
        {any_name:Bool}
        OR SpanName IN {selector_names:Array(String)}
        OR SpanAttributes['tieout.step'] != ''
        OR if(mapContains(SpanAttributes, 'tieout.flow'), SpanAttributes['tieout.flow'], ResourceAttributes['tieout.flow'])
            = {workflow:String})
