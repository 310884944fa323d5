-- The good rows in the columns of `events`, each event once.
SELECT
    id AS event_id,
    {workflow:String} AS workflow,
    reached AS step,
    assumeNotNull(occurred) AS occurred_at,
    {known_at:DateTime64(6, 'UTC')} AS known_at,
    arrayMap(object -> object.1, touched) AS object_types,
    arrayMap(object -> object.2, touched) AS object_keys,
    arrayMap(object -> object.3, touched) AS object_roles,
    money AS amount,
    if(money IS NULL, '', money_currency) AS currency,
    if(failed, 'failed', 'ok') AS outcome,
    1 AS attempt,
    plain(fields[{actor:String}]) AS actor,
    mapFilter(
        (name, value) -> value != '',
        mapFromArrays({dim_names:Array(String)}, arrayMap(column -> plain(fields[column]), {dim_columns:Array(String)}))
    ) AS dims,
    -- What is not listed is not kept; the name of an activity no step knows is, so that one can be written.
    mapUpdate(
        mapFilter((name, value) -> has({attributes:Array(String)}, name), fields),
        if(selector = 0, map('activity', activity), CAST(map() AS Map(String, String)))
    ) AS attributes,
    {source:String} AS source,
    concat(file, ':', toString(line)) AS source_ref,
    activity
FROM decided
WHERE reason = ''
ORDER BY file, line
LIMIT 1 BY event_id
