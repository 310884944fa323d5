-- What matching rules decided on some records as of (V, K), a row a decision; the failing ones first
SELECT
    expectation AS rule, version, state, code, verdict, outcome, pass, group_key, legs, records,
    arrayMap((leg, record) -> concat(leg, ':', record), legs, records) AS names, amounts, currency, residual, variance, options, nearest, gates,
    failing, due_at, field
FROM match_verdicts_of(
    as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = {records:Array(String)}, version = '')
WHERE workflow = {workflow:String} AND place = 1 AND hasAny(records, {records:Array(String)})
ORDER BY failing DESC, rule, pass, group_key, item
LIMIT 20
