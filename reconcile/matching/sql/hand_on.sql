-- Gives to the next key what this one left open, and takes from it what is open no longer
-- Every record that was under this key by then gets a row for each moment that was decided: what holds then, for it as for the key.
INSERT INTO match_records (
    rule, version, pass, key, leg, record, origin, occurred_at, known_at, row_hash, gone, day, numbers, texts, currency, rate, worth,
    original, problem, keys, dims, counts_from, due, dated, business_day
)
WITH
    toDateTime64({mark:String}, 6, 'UTC') AS mark,
    toDateTime64({until:String}, 6, 'UTC') AS until,
moments AS (
    SELECT
        group_key, occurred_at, known_at, evidence,
        groupUniqArrayArray(if(verdict = 'open', arrayZip(members.leg, members.record), [])) AS left_open
    FROM matches
    WHERE rule = {rule:String} AND version = {version:String} AND pass = {pass:UInt8} AND known_at > mark AND known_at <= until
    GROUP BY group_key, occurred_at, known_at, evidence
),
records AS (
    SELECT *
    FROM match_records
    WHERE stream = stream_of({rule:String}, {version:String}, {pass:UInt8}) AND known_at <= until
        AND key IN (SELECT group_key FROM moments)
),
stood AS (
    SELECT
        m.group_key AS group_key, m.occurred_at AS at, m.known_at AS as_known_at, m.evidence AS evidence, r.leg AS leg, r.record AS record,
        has(any(m.left_open), (leg, record)) AS is_left,
        groupUniqArray(r.keys[{pass:UInt8} + 1]) AS next_keys,
        -- The state that stood at that moment.
        argMax((r.day, r.numbers, r.texts, r.currency, r.rate, r.worth, r.original, r.problem, r.keys, r.dims, r.counts_from, r.due, r.dated, r.business_day),
            (r.occurred_at, r.known_at, r.row_hash)) AS state,
        -- One that names no date is of the day it was first there, and due from then, under whatever key; of several states for one
        -- time that came from one earlier key the last ever was.
        arraySort(groupUniqArray((
            r.origin, r.occurred_at, r.known_at, r.row_hash, r.problem != 'UNPOSTED' AND NOT r.dated, r.day, r.business_day, r.counts_from, r.due))) AS own,
        arraySort(arrayMap(x -> (x.6, x.7, x.8, x.9), arrayFilter(
            (x, i) -> x.5 AND (own[i + 1].1, own[i + 1].2) != (x.1, x.2), own, arrayEnumerate(own))))[1] AS first_there
    FROM moments AS m
    INNER JOIN records AS r ON r.key = m.group_key
    -- What comes only later is not there yet, not even as gone: it would be so with the day it has then.
    WHERE r.known_at <= m.known_at AND r.occurred_at <= m.occurred_at
    GROUP BY group_key, at, as_known_at, evidence, leg, record
    -- What could never be used waits for no other key; one that could not at first was there since then all the same.
    HAVING max(r.problem IN ('', 'UNPOSTED'))
),
placed AS (
    SELECT
        stood.*, next_key, is_left AND state.9[{pass:UInt8} + 1] = next_key AS is_open,
        if(is_open AND NOT state.13, first_there, (state.1, state.14, state.11, state.12)) AS days
    FROM stood
    ARRAY JOIN next_keys AS next_key
)
SELECT
    {rule:String}, {version:String}, {pass:UInt8} + 1, next_key, leg, record, group_key, at, as_known_at,
    lpad(toString(evidence), 10, '0') AS order_hash, NOT is_open, days.1, state.2, state.3, state.4, state.5, state.6, state.7, state.8,
    state.9, state.10, days.3, days.4, state.13, days.2
FROM placed
WHERE (leg, record, next_key, group_key, at, as_known_at, order_hash) NOT IN (
    SELECT leg, record, key, origin, occurred_at, known_at, row_hash
    FROM match_records
    WHERE stream = stream_of({rule:String}, {version:String}, {pass:UInt8} + 1) AND known_at > mark AND known_at <= until)
