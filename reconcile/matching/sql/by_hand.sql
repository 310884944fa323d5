-- Writes where people's decisions put records: as gone under the keys of the rule while they are in a decision by hand, in pass 0
-- under that decision; under their keys again when it is over, and once more whenever an act names them, so that the key is
-- decided anew. A turn is where a record was between two acts; what was known before it holds from its beginning on.
INSERT INTO match_records (
    rule, version, pass, key, leg, record, origin, occurred_at, known_at, row_hash, gone, day, numbers, texts, currency, rate, worth,
    original, problem, keys, dims, counts_from, due, dated, business_day
)
WITH
    toDateTime64({until:String}, 6, 'UTC') AS until,
turns AS (
    SELECT
        turn.1 AS leg, turn.2 AS record, toDateTime64(turn.3, 6, 'UTC') AS since, toDateTime64(turn.4, 6, 'UTC') AS upto, turn.5 AS place,
        turn.6 AS edition, turn.7 AS places
    FROM (SELECT arrayJoin({turns:Array(Tuple(String, String, String, String, String, UInt32, Array(String)))}) AS turn)
    WHERE since <= until
),
reached AS (
    SELECT key
    FROM match_records
    WHERE stream = stream_of({rule:String}, {version:String}, 1)
        AND record_hash IN (SELECT cityHash64(leg, record) FROM turns)
),
-- As systems told of them: rows of this query begin with a tilde, after everything that stands at the same times.
states AS (
    SELECT *
    FROM match_records
    WHERE stream = stream_of({rule:String}, {version:String}, 1) AND known_at <= until
        AND key IN (SELECT key FROM reached) AND (leg, record) IN (SELECT leg, record FROM turns) AND NOT startsWith(row_hash, '~')
),
placed AS (
    SELECT
        s.*, t.place AS place, t.since AS since, t.places AS places, greatest(s.known_at, t.since) AS from_then,
        -- An act that was stored late makes another edition of what follows it. Of states with the same times the newest holds.
        concat('~', lpad(toString(t.edition), 6, '0'), ' ', toString(s.known_at), ' ', s.row_hash) AS ordered_hash
    FROM states AS s
    INNER JOIN turns AS t ON t.leg = s.leg AND t.record = s.record
    WHERE s.known_at < t.upto
),
rows AS (
    SELECT 1 AS in_pass, key AS under, from_then AS at_known, gone OR place != '' AS is_gone, *
    FROM placed
    WHERE since > toDateTime64(0, 6, 'UTC')
    UNION ALL
    SELECT 0, arrayJoin(places) AS its_place, from_then, gone OR place != its_place, *
    FROM placed
    WHERE key = keys[1]
)
SELECT
    rule, version, in_pass, under, leg, record, '', occurred_at, at_known,
    ordered_hash, is_gone, day, numbers, texts, currency, rate, worth, original,
    problem, keys, dims, counts_from, due, dated, business_day
FROM rows
WHERE at_known > toDateTime64({mark:String}, 6, 'UTC') AND (in_pass, under, leg, record, occurred_at, at_known, ordered_hash) NOT IN (
    SELECT pass, key, leg, record, occurred_at, known_at, row_hash
    FROM match_records
    WHERE stream IN (stream_of({rule:String}, {version:String}, 0), stream_of({rule:String}, {version:String}, 1))
        AND (key IN (SELECT key FROM reached) OR key IN (SELECT arrayJoin(places) FROM turns))
        AND (leg, record) IN (SELECT leg, record FROM turns) AND startsWith(row_hash, '~'))
