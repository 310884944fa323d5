-- What is wrong now, as known now. The age of a workflow that speaks of its watermark is counted up to that.
CREATE OR REPLACE VIEW v_exceptions_open AS
WITH
clocks AS (
    SELECT workflow, argMax(JSONExtractString(content, 'as_of'), activated_at) AS speaks_of
    FROM workflow_versions
    WHERE activated_at <= now64(6)
    GROUP BY workflow
),
found AS (
    SELECT
        e.*,
        if(c.speaks_of = 'watermark', ifNull(e.watermark, now64(6)), now64(6)) AS aged_to
    FROM exceptions_at(as_of = now64(6), known_at = now64(6)) AS e
    LEFT JOIN clocks AS c ON c.workflow = e.workflow
    WHERE e.is_open = 1
)
SELECT
    e.workflow AS workflow, e.expectation AS expectation, e.code AS code, e.owner AS owner, e.assignee AS assignee,
    e.status AS status, e.item_type AS item_type, e.item_key AS item_key, e.exception_id AS exception_id,
    e.opened_at AS opened_at, e.opened_step AS opened_step, e.due_at AS due_at, e.detected_at AS detected_at, e.aged_from AS aged_from,
    e.amount AS amount, e.currency AS currency, e.dims AS dims, e.trace_id AS trace_id,
    age_in_days(e.aged_from, first.ends_at, first.date, e.aged_to, last.ends_at, last.date) AS age_days,
    age_bucket(age_days) AS bucket,
    age_in_business_days(e.aged_from, first.ends_at, first.ordinal, e.aged_to, last.ends_at, last.ordinal) AS age_business_days,
    if(isNull(age_business_days), '', age_bucket(age_business_days)) AS business_bucket, e.calendar AS calendar
FROM found AS e
ASOF LEFT JOIN (
    SELECT calendar, by_day, if(by_day = 1, toDateTime64(date, 6, 'UTC'), starts_at) AS begins_at, ends_at, date, ordinal
    FROM calendar_at(known_at = now64(6))
    ARRAY JOIN [0, 1] AS by_day
) AS first ON first.calendar = e.calendar AND first.by_day = e.aged_by_day AND first.begins_at <= e.aged_from
ASOF LEFT JOIN calendar_at(known_at = now64(6)) AS last ON last.calendar = e.calendar AND last.starts_at <= e.aged_to;
