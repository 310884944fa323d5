-- Keys touched since the mark that were not decided set by set, with all states of all their records.
WITH
    toDateTime64({mark:String}, 6, 'UTC') AS mark,
    toDateTime64({until:String}, 6, 'UTC') AS until
SELECT
    key,
    arraySort(x -> (x.1, x.2, x.3, x.4, x.5, x.6), groupUniqArray((
        leg, record, origin, occurred_at, known_at, row_hash, gone, day, numbers, texts, toString(currency), rate, worth, original,
        toString(problem), dims, counts_from, due, dated, business_day))) AS versions,
    max(known_at) AS last_known_at
FROM match_records
WHERE stream = stream_of({rule:String}, {version:String}, {pass:UInt8}) AND known_at <= until
    AND key IN (
        SELECT key
        FROM match_records
        WHERE stream = stream_of({rule:String}, {version:String}, {pass:UInt8}) AND known_at > mark AND known_at <= until
            AND key >= {from_key:String} AND ({to_end:Bool} OR key < {to_key:String})
            -- Where nothing was decided before this run, a key with a plain decision has no other.
            AND (NOT {fresh:Bool} OR key NOT IN (
                SELECT group_key
                FROM matches
                WHERE {fresh:Bool} AND rule = {rule:String} AND version = {version:String} AND pass = {pass:UInt8} AND known_at > mark
                    AND known_at <= until AND group_key >= {from_key:String} AND ({to_end:Bool} OR group_key < {to_key:String}))))
GROUP BY key
HAVING (key, last_known_at, toUInt32(length(versions))) NOT IN (
    SELECT group_key, known_at, evidence
    FROM matches
    WHERE NOT {fresh:Bool} AND rule = {rule:String} AND version = {version:String} AND pass = {pass:UInt8} AND known_at > mark
        AND known_at <= until AND group_key >= {from_key:String} AND ({to_end:Bool} OR group_key < {to_key:String}) AND gates = '')
ORDER BY key
