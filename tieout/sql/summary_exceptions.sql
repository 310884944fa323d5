-- Open exceptions by rule and owner, with the money that is known to be in them.
SELECT
    expectation, code, owner, count() AS open, uniqExact(item_type, item_key) AS items, max(age_days) AS oldest_days,
    sumOrNull(e.amount) AS amount, anyIf(e.currency, e.currency != '') AS currency, countIf(isNull(e.amount)) AS without_amount
FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}) AS e
WHERE workflow = {workflow:String} AND is_open = 1
GROUP BY expectation, code, owner
ORDER BY open DESC, expectation
