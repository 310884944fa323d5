-- How long things take as of (V, K), open ones counted: Aalen-Johansen, which without competing ends is Kaplan-Meier.
-- Open items are censored at V. Items that started before the window enter at the age they had when it began,
-- so an old one still open is never forgotten. Times in microseconds; quantiles are null where the curve never gets there.
CREATE OR REPLACE VIEW latency_at AS
WITH
spans AS (
    SELECT
        multiIf({dimension:String} = '', 'total', dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment,
        -- A negative time is an error of some clock: kept, counted, not floored.
        toUnixTimestamp64Micro(ifNull(ended_at, {as_of:DateTime64(6, 'UTC')})) - toUnixTimestamp64Micro(started_at) AS age,
        if(started_at > {window_start:DateTime64(6, 'UTC')}, -9223372036854775808,
            toUnixTimestamp64Micro({window_start:DateTime64(6, 'UTC')}) - toUnixTimestamp64Micro(started_at)) AS entry,
        ended_as
    FROM durations_at(
        clock = {clock:String}, as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String}
        AND (started_at > {window_start:DateTime64(6, 'UTC')} OR isNull(ended_at) OR ended_at > {window_start:DateTime64(6, 'UTC')})
),
-- Entries and ends at each age.
ages AS (
    SELECT
        segment, moment.1 AS t,
        sum(moment.2) AS entered, sum(moment.3) AS finished, sum(moment.4) AS dropped, sum(moment.5) AS censored,
        sum(moment.6) AS negatives
    FROM spans
    ARRAY JOIN [
        (entry, 1, 0, 0, 0, 0),
        (age, 0, ended_as = 'done', ended_as = 'left', ended_as = '', age < 0)] AS moment
    GROUP BY segment, t
),
exposed AS (
    SELECT
        *,
        sum(entered) OVER earlier - sum(finished + dropped + censored) OVER earlier AS at_risk
    FROM ages
    WINDOW earlier AS (PARTITION BY segment ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
survival AS (
    SELECT
        *,
        exp(sum(if(finished + dropped = 0, 0., log(1 - (finished + dropped) / at_risk))) OVER earlier) AS still_waiting
    FROM exposed
    WINDOW earlier AS (PARTITION BY segment ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
incidence AS (
    SELECT
        *,
        sum(if(finished = 0, 0., still_waiting * finished / at_risk)) OVER so_far AS share_done,
        sum(censored) OVER so_far AS open_up_to
    FROM survival
    WINDOW so_far AS (PARTITION BY segment ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
),
shares AS (
    SELECT
        segment,
        toUInt64(sum(entered)) AS items, toUInt64(sum(finished)) AS completed, toUInt64(sum(dropped)) AS withdrawn,
        toUInt64(sum(censored)) AS still_open, toUInt64(sum(negatives)) AS negative,
        maxIf(t, finished + dropped + censored > 0) AS last_observed,
        groupArrayIf((t, share_done), finished > 0) AS curve,
        groupArrayIf((t, open_up_to), censored > 0) AS open_curve
    FROM incidence
    GROUP BY segment
)
SELECT
    segment, items, completed, withdrawn, still_open, negative, last_observed,
    -- The first age at which the share is reached. Sums of fractions may miss it by a rounding error, hence the billionth.
    arrayMap(level -> (level, if(arrayExists(x -> x.2 >= level / 100 - 1e-9, curve),
        arrayMin(arrayMap(x -> x.1, arrayFilter(x -> x.2 >= level / 100 - 1e-9, curve))), NULL)), [50, 75, 90, 95, 99]) AS time_quantiles,
    -- Nearest rank: the smallest age that at least the share of the open ones have not passed.
    arrayMap(level -> (level, if(still_open = 0, NULL,
        arrayMin(arrayMap(x -> x.1, arrayFilter(x -> x.2 * 100 >= level * still_open, open_curve))))), [50, 90, 100]) AS open_age_quantiles
FROM shares;
