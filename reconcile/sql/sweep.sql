-- Open exceptions of a workflow that tieout itself has something to do about: what was taken on has ended or has grown,
-- or nobody has it and a rule says who gets it. The first rule that fits gives it.
WITH
    {rules:Array(Tuple(
        workflow String, expectation String, code String, owner String, currency String,
        at_least Nullable(Decimal(38, 6)), name String, to String))} AS rules,
taken AS (
    SELECT
        exception_id,
        argMax(tuple(amount), (at, known_at, act_id)).1 AS taken_amount,
        argMax(currency, (at, known_at, act_id)) AS taken_currency,
        argMax(failures, (at, known_at, act_id)) AS taken_failures,
        argMax(act_id, (at, known_at, act_id)) AS taken_by
    FROM exceptions
    WHERE action IN ('acknowledged', 'waived') AND known_at <= {known_at:DateTime64(6, 'UTC')}
    GROUP BY exception_id
)
SELECT
    e.exception_id AS exception_id, e.version AS version, t.taken_by AS taken_by,
    multiIf(
        e.lapsed, 'EXPIRED',
        e.status NOT IN ('acknowledged', 'waived'), '',
        e.failures > t.taken_failures, 'MORE_FAILURES',
        -- Money that was not known, or is now in another currency, cannot have been accepted.
        isNotNull(e.amount) AND (isNull(t.taken_amount) OR e.currency != t.taken_currency), 'GREW',
        ifNull(abs(e.amount) - abs(t.taken_amount)
            > greatest({growth_abs:Decimal(38, 6)}, ifNull(CAST({growth_pct:Decimal(38, 6)} * abs(t.taken_amount) / 100, 'Nullable(Decimal(38, 6))'), 0)), false), 'GREW',
        '') AS lapse,
    arrayFirst(
        r -> r.workflow IN ('', e.workflow) AND r.expectation IN ('', e.expectation) AND r.code IN ('', e.code)
            AND r.owner IN ('', e.owner) AND r.currency IN ('', e.currency)
            AND (isNull(r.at_least) OR ifNull(abs(e.amount) >= r.at_least, false)),
        rules) AS rule,
    if(e.assignee = '', rule.to, '') AS assign_to, rule.name AS rule_name
FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}) AS e
LEFT JOIN taken AS t ON t.exception_id = e.exception_id
WHERE e.workflow = {workflow:String} AND e.is_open = 1 AND (lapse != '' OR assign_to != '')
ORDER BY e.detected_at, e.exception_id
LIMIT {most:UInt32}
