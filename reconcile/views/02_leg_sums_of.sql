-- Sums of the two legs of every tie-out at each moment by V at which something changed, as known at K; the last one holds at V.
-- A leg with a member whose amount is not known is not known.
CREATE OR REPLACE VIEW leg_sums_of AS
WITH
toDateTime64(0, 6, 'UTC') AS never,
toDateTime64('2299-12-31', 6, 'UTC') AS at_last,
-- Of each object what its system said, from when on.
states AS (
    SELECT object_type, object_key, arraySort(groupArray((valid_from, said.1, said.2, said.3))) AS told
    FROM (
        SELECT object_type, object_key, valid_from, argMax((amount, currency, deleted), (known_at, row_hash)) AS said
        FROM snapshots
        WHERE valid_from <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
            AND (object_type, object_key) IN (
                SELECT member_type, member_key FROM leg_members
                WHERE member_type != '' AND (empty({items:Array(String)}) OR item_key IN {items:Array(String)}))
        GROUP BY object_type, object_key, valid_from
    )
    GROUP BY object_type, object_key
),
members AS (
    SELECT
        m.workflow AS workflow, m.version AS version, m.expectation AS expectation, m.item_type AS item_type,
        m.item_key AS item_key, m.expected AS expected, m.joined_at AS joined_at,
        CAST(arrayPushFront(if(m.member_type = '', [(never, m.amount, m.currency, false)], s.told), (never, NULL, '', false)),
            'Array(Tuple(DateTime64(6, \'UTC\'), Nullable(Decimal(38, 6)), String, Bool))') AS told
    FROM (
        SELECT * FROM leg_members
        WHERE joined_at <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
            AND (empty({items:Array(String)}) OR item_key IN {items:Array(String)})
        ORDER BY joined_at
        LIMIT 1 BY workflow, version, expectation, item_key, leg, member_type, member_key
    ) AS m
    LEFT JOIN states AS s ON s.object_type = m.member_type AND s.object_key = m.member_key
),
-- Since it joined, each word on a member comes (1), and goes (-1) when the next one does.
changes AS (
    SELECT
        workflow, version, expectation, item_type, item_key,
        arraySort(c -> c.1, groupArrayArray(arrayFilter(c -> NOT c.6 AND c.1 < at_last, arrayFlatten(arrayMap(
            (s, next) -> if(next > joined_at,
                [(greatest(s.1, joined_at), 1, expected, s.2, s.3, s.4), (next, -1, expected, s.2, s.3, s.4)], []),
            told, arrayPopFront(arrayPushBack(arrayMap(s -> s.1, told), at_last))))))) AS in_order,
        arrayDistinct(arrayMap(c -> c.5, in_order)) AS codes
    FROM members
    GROUP BY workflow, version, expectation, item_type, item_key
)
SELECT
    workflow, version, expectation, item_type, item_key,
    arrayMin(arrayFilter(code -> code != '' AND arraySum(c -> if(c.5 = code, c.2, 0), in_order) > 0, codes)) AS leg_currency,
    -- After all changes of a moment: when, whether both legs can be compared, members of each, sum of each.
    arrayFilter((h, next) -> next > h.1,
        arrayMap(
            (c, place, unpriced, expected_members, actual_members, expected_sum, actual_sum) -> (
                c.1, unpriced = 0 AND arraySum(n -> n[place] > 0, by_code) = 1,
                expected_members, actual_members, expected_sum, actual_sum),
            in_order, arrayEnumerate(in_order),
            arrayCumSum(c -> if(isNull(c.4), c.2, 0), in_order),
            arrayCumSum(c -> if(c.3, c.2, 0), in_order),
            arrayCumSum(c -> if(c.3, 0, c.2), in_order),
            arrayCumSum(c -> if(c.3, c.2, 0) * ifNull(c.4, 0), in_order),
            arrayCumSum(c -> if(c.3, 0, c.2) * ifNull(c.4, 0), in_order)),
        arrayPopFront(arrayPushBack(arrayMap(c -> c.1, in_order), at_last))) AS history
FROM (
    -- Of each currency how many members have an amount in it.
    SELECT *, arrayMap(code -> arrayCumSum(c -> if(c.5 = code AND isNotNull(c.4), c.2, 0), in_order), codes) AS by_code
    FROM changes
);
