-- Expectations of some items (all, when `items` is empty) as of (V, K): of each item the newest version known at K, by the rule version that decided then,
-- and of that only what had happened by V. Rows decided by links, by states and by events are versioned apart.
CREATE OR REPLACE VIEW expectations_of AS
WITH
active AS (
    SELECT workflow, argMax(version, activated_at) AS version
    FROM workflow_versions
    WHERE activated_at <= {known_at:DateTime64(6, 'UTC')}
    GROUP BY workflow
),
newest AS (
    SELECT workflow, item_type, item_key, transform(kind, ['reference', 'landed', 'traced'], ['links', 'states', 'states'], 'events') AS decided, max((known_at, evidence)) AS newest_version
    FROM expectations
    WHERE known_at <= {known_at:DateTime64(6, 'UTC')} AND (workflow, version) IN (SELECT workflow, version FROM active)
        AND (empty({items:Array(String)}) OR item_key IN {items:Array(String)})
    GROUP BY workflow, item_type, item_key, decided
)
SELECT
    e.workflow AS workflow, e.version AS version, e.expectation AS expectation, e.kind AS kind, e.code AS code,
    e.clock AS clock, e.owner AS owner, e.item_type AS item_type, e.item_key AS item_key,
    e.opened_at AS opened_at, e.opened_by AS opened_by, e.opened_step AS opened_step, e.due_at AS due_at,
    if(e.closed_at <= {as_of:DateTime64(6, 'UTC')}, e.closed_at, NULL) AS closed_at,
    if(e.closed_at <= {as_of:DateTime64(6, 'UTC')}, e.closed_by, '') AS closed_by,
    if(e.closed_at <= {as_of:DateTime64(6, 'UTC')}, e.closed_as, '') AS closed_as,
    if(e.reversed_at <= {as_of:DateTime64(6, 'UTC')}, e.reversed_at, NULL) AS reversed_at,
    arrayFilter(t -> t <= {as_of:DateTime64(6, 'UTC')}, e.failed_at) AS failed_at,
    toUInt32(length(failed_at)) AS failures,
    toUInt32(failures + if(closed_as = 'arrived', 1, 0)) AS attempts,
    e.amount AS amount, e.currency AS currency, e.tolerance_abs AS tolerance_abs, e.tolerance_pct AS tolerance_pct,
    e.sources AS sources, e.dims AS dims, e.trace_id AS trace_id, e.calendar AS calendar, e.known_at AS known_at,
    e.heard_from AS heard_from, if(e.kind = 'traced', toString(e.sources[1]), '') AS heard_source
FROM expectations AS e
WHERE e.kind != 'none' AND e.opened_at <= {as_of:DateTime64(6, 'UTC')}
    AND (workflow, version) IN (SELECT workflow, version FROM active)
    AND (workflow, item_type, item_key, transform(kind, ['reference', 'landed', 'traced'], ['links', 'states', 'states'], 'events'), (known_at, evidence)) IN (
        SELECT workflow, item_type, item_key, decided, newest_version FROM newest)
    AND (empty({items:Array(String)}) OR e.item_key IN {items:Array(String)});
