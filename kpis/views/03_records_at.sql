-- The records that a rule of one kind (precedence, once) looks at as of (V, K), each with the state the rule gave it:
-- the denominator of what is wrong among them. Segments are the item's newest, the record's own where it has them.
CREATE OR REPLACE VIEW records_at AS
WITH
rules AS (
    SELECT
        workflow, JSONExtractString(rule, 'name') AS expectation, JSONExtractString(rule, 'item') AS item_type,
        JSONExtractString(rule, 'step') AS step, JSONExtractString(rule, 'owner') AS owner
    FROM (
        SELECT workflow, argMax(content, activated_at) AS active
        FROM workflow_versions
        WHERE activated_at <= {known_at:DateTime64(6, 'UTC')}
        GROUP BY workflow
        HAVING argMax(version, activated_at) != ''
    )
    ARRAY JOIN JSONExtractArrayRaw(active, 'expectations') AS rule
    WHERE JSONExtractString(rule, 'kind') = {kind:String}
),
occurrences AS (
    SELECT
        workflow, object_type, object_key, step, event_id,
        any(occurred_at) AS at, any(amount) AS event_amount, any(currency) AS event_currency,
        any(CAST(mapFilter((k, v) -> v != '', dims), 'Map(String, String)')) AS event_dims
    FROM event_objects
    WHERE occurred_at <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
        AND (workflow, step, object_type) IN (SELECT workflow, step, item_type FROM rules)
    GROUP BY workflow, object_type, object_key, step, event_id
),
items AS (
    SELECT
        workflow, item_type, item_key,
        argMax(CAST(v.dims, 'Map(String, String)'), (opened_at, expectation, opened_by)) AS item_dims,
        groupArrayIf((toString(expectation), opened_by, state, v.amount, toString(v.currency)), kind = {kind:String}) AS flagged
    FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}) AS v
    WHERE (workflow, item_type, item_key) IN (SELECT workflow, object_type, object_key FROM occurrences)
    GROUP BY workflow, item_type, item_key
)
SELECT
    o.workflow AS workflow, r.expectation AS expectation, o.object_type AS item_type, o.object_key AS item_key,
    o.event_id AS event_id, o.at AS occurred_at,
    arrayFirst(f -> f.1 = r.expectation AND f.2 = o.event_id, i.flagged) AS flag,
    flag.3 AS state,
    if(isNull(flag.4), o.event_amount, flag.4) AS amount, if(isNull(flag.4), o.event_currency, flag.5) AS currency,
    mapConcat(i.item_dims, o.event_dims, map('owner', r.owner, 'expectation', r.expectation, 'item_type', toString(o.object_type))) AS dims
FROM occurrences AS o
INNER JOIN rules AS r ON r.workflow = o.workflow AND r.step = o.step AND r.item_type = o.object_type
LEFT JOIN items AS i ON i.workflow = o.workflow AND i.item_type = o.object_type AND i.item_key = o.object_key;
