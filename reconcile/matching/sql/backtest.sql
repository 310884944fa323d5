-- What another version of a rule would say of each record as of (V, K): how many and how much goes from which state to which.
WITH
old AS (
    SELECT leg, record, argMin(state, place) AS state, argMin(arraySort(records), place) AS together, any(amount) AS worth, any(v.currency) AS currency
    FROM match_verdicts_of(
        as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = [], version = {old:String}) AS v
    ARRAY JOIN legs AS leg, records AS record, amounts AS amount
    GROUP BY leg, record
),
new AS (
    SELECT leg, record, argMin(state, place) AS state, argMin(arraySort(records), place) AS together, any(amount) AS worth, any(v.currency) AS currency
    FROM match_verdicts_of(
        as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = [], version = {new:String}) AS v
    ARRAY JOIN legs AS leg, records AS record, amounts AS amount
    GROUP BY leg, record
)
SELECT
    if(old.leg = '', new.leg, old.leg) AS leg, old.state AS state_before, new.state AS state_after,
    if(state_before = state_after, 'with other records', '') AS note,
    if(old.leg = '', new.currency, old.currency) AS currency, count() AS records,
    sum(ifNull(if(old.leg = '', new.worth, old.worth), 0)) AS amount,
    arraySlice(arraySort(groupArray(if(old.leg = '', new.record, old.record))), 1, 5) AS examples
FROM old
FULL OUTER JOIN new ON new.leg = old.leg AND new.record = old.record
WHERE old.state != new.state OR old.together != new.together
GROUP BY leg, state_before, state_after, note, currency
ORDER BY records DESC, leg, state_before, state_after, currency
