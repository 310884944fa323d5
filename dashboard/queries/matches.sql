-- What matching rules decided on one record as of (V, K), a row a decision
SELECT
    expectation AS rule, state, code, verdict, outcome, pass, legs, records,
    arrayMap((leg, record) -> concat(leg, ':', record), legs, records) AS names, amounts, currency, residual, options, nearest, gates
FROM match_verdicts_of(
    as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = [{record:String}], version = '')
WHERE workflow = {workflow:String} AND place = 1 AND has(records, {record:String})
ORDER BY rule, pass, group_key, item
LIMIT 20
