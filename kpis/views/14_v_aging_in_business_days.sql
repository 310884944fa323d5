-- As v_aging, by age in business days: the open exceptions that have a calendar.
CREATE OR REPLACE VIEW v_aging_in_business_days AS
SELECT
    workflow, owner, expectation, business_bucket AS bucket, if(isNull(e.amount), '', toString(e.currency)) AS currency,
    count() AS exceptions, uniqExact((item_type, item_key)) AS items, sum(abs(e.amount)) AS amount,
    max(assumeNotNull(age_business_days)) AS oldest_business_days
FROM v_exceptions_open AS e
WHERE isNotNull(age_business_days)
GROUP BY workflow, owner, expectation, bucket, currency;
