-- Sums of the two legs of every tie-out as of (V, K). A leg with a member whose amount is not known is not known.
CREATE OR REPLACE VIEW leg_sums_of AS
WITH
states AS (
    SELECT
        object_type, object_key,
        argMax(tuple(amount), (valid_from, known_at, row_hash)).1 AS state_amount,
        argMax(currency, (valid_from, known_at, row_hash)) AS state_currency,
        argMax(deleted, (valid_from, known_at, row_hash)) AS gone
    FROM snapshots
    WHERE valid_from <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
        AND (object_type, object_key) IN (
            SELECT member_type, member_key FROM leg_members
            WHERE member_type != '' AND (empty({items:Array(String)}) OR item_key IN {items:Array(String)}))
    GROUP BY object_type, object_key
),
members AS (
    SELECT
        m.workflow AS workflow, m.version AS version, m.expectation AS expectation, m.item_type AS item_type,
        m.item_key AS item_key, m.leg AS leg, m.expected AS expected, m.joined_at AS joined_at,
        if(m.member_type = '', m.amount, s.state_amount) AS member_amount,
        if(m.member_type = '', m.currency, s.state_currency) AS member_currency
    FROM (
        SELECT * FROM leg_members
        WHERE joined_at <= {as_of:DateTime64(6, 'UTC')} AND known_at <= {known_at:DateTime64(6, 'UTC')}
            AND (empty({items:Array(String)}) OR item_key IN {items:Array(String)})
        ORDER BY joined_at
        LIMIT 1 BY workflow, version, expectation, item_key, leg, member_type, member_key
    ) AS m
    LEFT JOIN states AS s ON s.object_type = m.member_type AND s.object_key = m.member_key
    WHERE NOT s.gone
)
SELECT
    workflow, version, expectation, item_type, item_key,
    countIf(expected) AS expected_members,
    countIf(NOT expected) AS actual_members,
    countIf(isNull(member_amount)) AS members_without_amount,
    uniqExactIf(member_currency, isNotNull(member_amount)) AS currencies,
    minIf(member_currency, member_currency != '') AS leg_currency,
    ifNull(sumIf(member_amount, expected), 0) AS expected_sum,
    ifNull(sumIf(member_amount, NOT expected), 0) AS actual_sum,
    max(joined_at) AS changed_at
FROM members
GROUP BY workflow, version, expectation, item_type, item_key;
