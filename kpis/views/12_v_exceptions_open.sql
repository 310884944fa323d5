-- What is wrong now, as known now. The age of a workflow that speaks of its watermark is counted up to that.
CREATE OR REPLACE VIEW v_exceptions_open AS
WITH
clocks AS (
    SELECT workflow, argMax(JSONExtractString(content, 'as_of'), activated_at) AS speaks_of
    FROM workflow_versions
    WHERE activated_at <= now64(6)
    GROUP BY workflow
)
SELECT
    e.workflow AS workflow, e.expectation AS expectation, e.code AS code, e.owner AS owner, e.assignee AS assignee,
    e.status AS status, e.item_type AS item_type, e.item_key AS item_key, e.exception_id AS exception_id,
    e.opened_at AS opened_at, e.opened_step AS opened_step, e.due_at AS due_at, e.detected_at AS detected_at,
    e.amount AS amount, e.currency AS currency, e.dims AS dims, e.trace_id AS trace_id,
    dateDiff('day', e.detected_at, if(c.speaks_of = 'watermark', ifNull(e.watermark, now64(6)), now64(6))) AS age_days,
    age_bucket(age_days) AS bucket
FROM exceptions_at(as_of = now64(6), known_at = now64(6)) AS e
LEFT JOIN clocks AS c ON c.workflow = e.workflow
WHERE e.is_open = 1;
