-- Exceptions as of (V, K) with the service level that holds for each: how soon it must be taken on and over, and how that
-- stands at V. The clock of an exception starts when it began and stands still while it is waived. What people did after V
-- counts as done at V, as everywhere.
CREATE OR REPLACE VIEW service_levels_at AS
WITH
levels_known AS (
    SELECT
        arraySort(r -> r.place, groupArray(CAST(
            (position, name, workflow, expectation, code, owner, currency, at_least, severity, acknowledge_s, resolve_s),
            'Tuple(place UInt16, name String, workflow String, expectation String, code String, owner String, currency String, at_least Nullable(Decimal(38, 6)), severity String, acknowledge_s UInt64, resolve_s UInt64)'))) AS levels
    FROM service_levels
    WHERE position > 0 AND activated_at = (
        SELECT max(activated_at) FROM service_levels WHERE activated_at <= {known_at:DateTime64(6, 'UTC')})
),
timed AS (
    SELECT
        e.*,
        arrayFirst(
            r -> r.workflow IN ('', e.workflow) AND r.expectation IN ('', e.expectation) AND r.code IN ('', e.code)
                AND r.owner IN ('', e.owner) AND r.currency IN ('', e.currency)
                AND (isNull(r.at_least) OR ifNull(abs(e.amount) >= r.at_least, false)),
            levels) AS rule,
        toUnixTimestamp64Micro(assumeNotNull(e.detected_at)) AS began_us,
        toUnixTimestamp64Micro({as_of:DateTime64(6, 'UTC')}) AS now_us,
        if(isNull(e.resolved_at), NULL, least(toUnixTimestamp64Micro(e.resolved_at), now_us)) AS ended_us,
        if(isNull(e.taken_on_at), ended_us, least(toUnixTimestamp64Micro(e.taken_on_at), ifNull(ended_us, now_us), now_us)) AS taken_us,
        ifNull(ended_us, now_us) AS counted_to_us,
        arraySum(w -> greatest(toInt64(0),
            least(toUnixTimestamp64Micro(w.2), counted_to_us) - greatest(toUnixTimestamp64Micro(w.1), began_us)), e.waived_during) AS paused_us,
        counted_to_us - began_us - paused_us AS used_us,
        toInt64(rule.acknowledge_s) * 1000000 AS acknowledge_us,
        toInt64(rule.resolve_s) * 1000000 AS resolve_us
    FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}) AS e
    CROSS JOIN levels_known
)
SELECT
    * EXCEPT (rule, began_us, now_us, ended_us, taken_us, counted_to_us, paused_us, used_us, acknowledge_us, resolve_us),
    rule.name AS service_level,
    rule.severity AS severity,
    if(acknowledge_us = 0, NULL, fromUnixTimestamp64Micro(began_us + acknowledge_us, 'UTC')) AS acknowledge_by,
    multiIf(
        acknowledge_us = 0, 'none',
        isNotNull(taken_us), if(taken_us - began_us <= acknowledge_us, 'met', 'breached'),
        now_us - began_us <= acknowledge_us, 'running',
        'breached') AS acknowledge_clock,
    if(resolve_us = 0, NULL, fromUnixTimestamp64Micro(began_us + paused_us + resolve_us, 'UTC')) AS resolve_by,
    multiIf(
        resolve_us = 0, 'none',
        isNotNull(ended_us), if(used_us <= resolve_us, 'met', 'breached'),
        used_us > resolve_us, 'breached',
        status = 'waived', 'paused',
        'running') AS resolve_clock,
    -- Hours to the next thing that is due; below zero it is late.
    multiIf(
        isNotNull(ended_us), NULL,
        acknowledge_us > 0 AND isNull(taken_us), toFloat64(began_us + acknowledge_us - now_us) / 3600000000,
        resolve_us > 0, toFloat64(resolve_us - used_us) / 3600000000,
        NULL) AS hours_left
FROM timed;
