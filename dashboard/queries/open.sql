-- Exceptions by owner, code, segment and currency: open at V, open one period earlier, begun and ended in between
-- An exception a person resolved after V ended at V, so that before + begun - ended is what is open.
SELECT
    toString(owner) AS team, toString(code) AS exception_code,
    if(dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment, toString(currency) AS currency_code,
    countIf(is_open = 1) AS open_now,
    countIf(detected_at <= {before:DateTime64(6, 'UTC')} AND (isNull(ended_at) OR ended_at > {before:DateTime64(6, 'UTC')})) AS open_before,
    countIf(detected_at > {before:DateTime64(6, 'UTC')}) AS begun,
    countIf(ended_at > {before:DateTime64(6, 'UTC')}) AS ended,
    countIf(is_open = 1 AND age_days > 30) AS old_now,
    countIf(detected_at <= {before:DateTime64(6, 'UTC')} AND (isNull(ended_at) OR ended_at > {before:DateTime64(6, 'UTC')})
        AND dateDiff('day', aged_from, {before:DateTime64(6, 'UTC')}) > 30) AS old_before,
    sumOrNullIf(abs(amount), is_open = 1) AS open_amount,
    sumOrNullIf(abs(amount), is_open = 1 AND age_days > 30) AS old_amount,
    countIf(is_open = 1 AND isNull(amount)) AS open_without_amount
FROM (
    SELECT
        owner, code, dims, currency, detected_at, aged_from, is_open, age_days, amount,
        if(is_open = 1, NULL, least(resolved_at, {as_of:DateTime64(6, 'UTC')})) AS ended_at
    FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
    WHERE workflow = {workflow:String}
)
GROUP BY team, exception_code, segment, currency_code
HAVING open_now > 0 OR open_before > 0 OR begun > 0
ORDER BY open_now DESC, team, exception_code, segment, currency_code
