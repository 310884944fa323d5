-- A record that has changed its key is written under every key it ever had: where it no longer stands, as gone.
INSERT INTO match_records (
    rule, version, pass, key, leg, record, origin, occurred_at, known_at, row_hash, gone, day, numbers, texts, currency, rate, worth,
    original, problem, keys, dims, counts_from, due, dated, business_day
)
WITH
    toDateTime64({mark:String}, 6, 'UTC') AS mark,
    toDateTime64({until:String}, 6, 'UTC') AS until,
-- Found by hash; what two records share is told apart below.
movers AS (
    SELECT record_hash AS its_hash
    FROM match_records
    WHERE stream = stream_of({rule:String}, {version:String}, 1) AND record_hash IN (
        SELECT record_hash
        FROM match_records
        WHERE stream = stream_of({rule:String}, {version:String}, 1) AND known_at > mark AND known_at <= until)
    GROUP BY its_hash
    HAVING min(cityHash64(key)) != max(cityHash64(key))
),
reached AS (
    SELECT key
    FROM match_records
    WHERE stream = stream_of({rule:String}, {version:String}, 1) AND record_hash IN (SELECT its_hash FROM movers)
),
states AS (
    SELECT *
    FROM match_records
    WHERE stream = stream_of({rule:String}, {version:String}, 1) AND key = keys[1] AND known_at <= until
        AND key IN (SELECT key FROM reached) AND record_hash IN (SELECT its_hash FROM movers)
),
places AS (
    SELECT leg, record, groupUniqArray(key) AS its_keys
    FROM states
    GROUP BY leg, record
    HAVING length(its_keys) > 1
)
SELECT
    s.rule, s.version, 1, to_key, s.leg, s.record, '', s.occurred_at, s.known_at, s.row_hash, true, s.day, s.numbers,
    s.texts, s.currency, s.rate, s.worth, s.original, s.problem, s.keys, s.dims, s.counts_from, s.due, s.dated, s.business_day
FROM states AS s
INNER JOIN places AS p ON p.leg = s.leg AND p.record = s.record
ARRAY JOIN p.its_keys AS to_key
WHERE to_key != s.key
    AND (s.leg, s.record, to_key, s.occurred_at, s.known_at, s.row_hash) NOT IN (
        SELECT leg, record, key, occurred_at, known_at, row_hash
        FROM match_records
        WHERE stream = stream_of({rule:String}, {version:String}, 1)
            AND key IN (SELECT key FROM reached) AND record IN (SELECT record FROM places))
