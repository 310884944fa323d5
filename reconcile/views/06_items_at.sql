-- Where each item of a workflow's main type stands as of (V, K).
CREATE OR REPLACE VIEW items_at AS
WITH
mains AS (
    SELECT
        workflow,
        argMax(JSONExtractString(content, 'item'), activated_at) AS main_type,
        argMax(JSONExtractKeys(content, 'steps'), activated_at) AS steps,
        argMax(arrayFilter(s -> JSONExtractBool(content, 'steps', s, 'failed'), JSONExtractKeys(content, 'steps')), activated_at)
            AS failed_steps
    FROM workflow_versions
    WHERE activated_at <= {known_at:DateTime64(6, 'UTC')}
    GROUP BY workflow
    -- Its file is there.
    HAVING argMax(version, activated_at) != ''
),
happened AS (
    SELECT
        e.workflow AS workflow, object_type, object_key, step, occurred_at, event_id, indexOf(m.steps, step) AS step_number,
        -- A try that failed has not reached its step, unless the step itself is the failing.
        outcome != 'failed' OR has(m.failed_steps, step) AS came
    FROM event_objects AS e
    INNER JOIN mains AS m ON m.workflow = e.workflow AND m.main_type = e.object_type
    WHERE occurred_at <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
),
stages AS (
    SELECT
        workflow, object_type AS item_type, object_key AS item_key,
        argMaxIf(step, (occurred_at, step_number, event_id), came) AS stage,
        if(stage = '', max(occurred_at), maxIf(occurred_at, came)) AS stage_since,
        min(occurred_at) AS started_at,
        uniqExact(event_id) AS event_count
    FROM happened
    GROUP BY workflow, item_type, item_key
),
ends AS (
    SELECT
        workflow, item_type, item_key,
        -- Before the end-to-end clock starts, the newest other expectation says how the item stands.
        argMaxIf(state, (opened_at, expectation, opened_by), clock = 'end_to_end') AS whole_state,
        argMaxIf(state, (opened_at, expectation, opened_by), kind = 'sequence') AS newest_state,
        coalesce(nullIf(whole_state, ''), nullIf(newest_state, ''), 'NOT_DUE') AS end_state,
        countIf(failing = 1) AS failing_count
    FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    GROUP BY workflow, item_type, item_key
)
SELECT
    s.workflow AS workflow, s.item_type AS item_type, s.item_key AS item_key, s.stage AS stage,
    s.stage_since AS stage_since, s.started_at AS started_at, s.event_count AS events,
    if(e.end_state = '', 'NOT_DUE', e.end_state) AS state, e.failing_count AS open_exceptions
FROM stages AS s
LEFT JOIN ends AS e USING (workflow, item_type, item_key);
