-- What matching rules say of some records (of all, when `items` is empty) as of (V, K), one row for each thing there is to say.
SELECT
    expectation AS rule, version, state, code, field, leg, field_expected, field_actual, owner, legs, records, amounts, item_type,
    item_key, expected, actual, residual, amount, currency, variance, outcome, verdict, opened_at, due_at, detected_at, resolved_at,
    aged_from, watermark, margin, nearest, gates, options,
    replaceAll(header, '\x1f', ' / ') AS header, replaceAll(group_key, '\x1f', ' / ') AS key, pass, exception_id, place
FROM match_verdicts_of(
    as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')}, items = {items:Array(String)}, version = '')
WHERE {rule:String} IN ('', expectation) AND (empty({states:Array(String)}) OR state IN {states:Array(String)})
    AND ({ended:Bool} OR isNull(resolved_at))
ORDER BY rule, key, pass, item, place
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
