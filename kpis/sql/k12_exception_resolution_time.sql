-- title: Exception resolution time
-- description: "From the moment an exception began to its end. Open ones count with the time they have waited so far."
-- unit: hours
-- direction: lower_is_better
-- kind: latency
-- measures:
--   - {name: p50, unit: hours, title: Half take at most}
--   - {name: p75, unit: hours, title: Three quarters take at most}
--   - {name: p90, unit: hours, title: Nine tenths take at most}
--   - {name: open_p50, unit: hours, title: Median age of the open ones}
--   - {name: open_p90, unit: hours, title: 90th percentile of the age of the open ones}
--   - {name: open_oldest, unit: hours, title: Age of the oldest open one}
--   - {name: resolved, unit: count, title: Resolved in the period}
--   - {name: withdrawn, unit: count, title: Ended without arriving (void or written off)}
--   - {name: open, unit: count, title: Still open}
--   - {name: negative, unit: count, title: Ended before they began (clock error)}
-- formula: "K12, Aalen-Johansen from detected to resolved; void competes, open ones are censored at V"
-- inputs: [latency_at]
-- every: 15m
-- window: 90d
WITH 3600000000 AS one
SELECT
    segment, figure.1 AS measure, figure.2 AS unit, figure.3 AS value, figure.4 AS low,
    CAST(NULL, 'Nullable(Float64)') AS high, figure.5 AS numerator, CAST(NULL, 'Nullable(UInt64)') AS denominator, figure.6 AS n
FROM latency_at(
    clock = 'resolution', workflow = {workflow:String}, dimension = {dimension:String},
    as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')},
    window_start = {window_start:DateTime64(6, 'UTC')})
-- Fewer than 20 items: only how many. A level the curve never reaches: at least the last observed time.
ARRAY JOIN arrayConcat(
    arrayMap(q -> (
        concat('p', toString(q.1)), 'hours',
        if(items < 20, NULL, q.2 / one), if(items < 20 OR isNotNull(q.2), NULL, last_observed / one),
        CAST(NULL, 'Nullable(UInt64)'), items), arrayFilter(q -> q.1 IN (50, 75, 90), time_quantiles)),
    arrayMap(q -> (
        if(q.1 = 100, 'open_oldest', concat('open_p', toString(q.1))), 'hours',
        if(still_open < 20 AND q.1 < 100, NULL, q.2 / one), NULL,
        CAST(NULL, 'Nullable(UInt64)'), still_open), open_age_quantiles),
    arrayMap(c -> (c.1, 'count', toFloat64(c.2), NULL, CAST(c.2, 'Nullable(UInt64)'), items),
        [('resolved', completed), ('withdrawn', withdrawn), ('open', still_open), ('negative', negative)])) AS figure
