-- How many spans and log records may be steps of a workflow, and the stretch of business time they lie in.
SELECT
    count() AS spans,
    min(toDateTime64(at, 6, 'UTC')) AS first_at,
    max(toDateTime64(at, 6, 'UTC')) AS last_at
FROM telemetry
WHERE known_at > {from:DateTime64(6, 'UTC')} AND known_at <= {until:DateTime64(6, 'UTC')}
    AND scope != 'tieout.collector'
    AND (
        has({any_name:Array(String)}, signal)
        OR has({selector_names:Array(String)}, name)
        OR own['tieout.step'] != ''
        OR if(mapContains(own, 'tieout.flow'), own['tieout.flow'], resource['tieout.flow']) = {workflow:String})
