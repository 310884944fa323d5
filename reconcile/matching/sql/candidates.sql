-- Records that nearly belong to one: of other legs with the same money or all but one part of the key, of its own with the opposite money.
WITH
    splitByChar('\x1f', {key:String}) AS parts,
    {worth:Nullable(Decimal(38, 6))} AS worth_of_it,
candidates AS (
    SELECT
        leg, record, argMax(key, (occurred_at, known_at, row_hash)) AS its_key, argMax(gone, (occurred_at, known_at, row_hash)) AS is_gone,
        argMax(tuple(worth), (occurred_at, known_at, row_hash)).1 AS its_worth, argMax(day, (occurred_at, known_at, row_hash)) AS its_day
    FROM match_records
    WHERE stream = stream_of({rule:String}, {version:String}, 1)
        AND occurred_at <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
        AND if(leg = {leg:String}, worth_of_it != 0 AND worth = -worth_of_it, key != {key:String} AND (worth = worth_of_it
            OR length(parts) > 1 AND arrayCount((a, b) -> a != b, arrayResize(splitByChar('\x1f', key), length(parts)), parts) = 1))
    GROUP BY leg, record
)
SELECT
    leg, record, replaceAll(its_key, '\x1f', ' / ') AS key, its_worth AS amount, its_day AS day,
    arrayCount((a, b) -> a != b, arrayResize(splitByChar('\x1f', its_key), length(parts)), parts) AS parts_off,
    abs(dateDiff('day', its_day, {day:Date32})) AS days_off
FROM candidates
WHERE NOT is_gone
ORDER BY parts_off, editDistance(its_key, {key:String}), abs(ifNull(its_worth, 0) - ifNull(worth_of_it, 0)), days_off, leg, record
LIMIT 5
