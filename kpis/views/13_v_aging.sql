-- Open exceptions by age: how many and how much money, per currency. Rows without a known amount have an empty currency.
CREATE OR REPLACE VIEW v_aging AS
SELECT
    workflow, owner, expectation, bucket, if(isNull(e.amount), '', toString(e.currency)) AS currency,
    count() AS exceptions, uniqExact((item_type, item_key)) AS items, sum(abs(e.amount)) AS amount, max(age_days) AS oldest_days
FROM v_exceptions_open AS e
GROUP BY workflow, owner, expectation, bucket, currency;
