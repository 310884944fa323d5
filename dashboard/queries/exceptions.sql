-- One page of exceptions with the number of all that match
SELECT
    exception_id, expectation, state, code, item_type, item_key, owner, assignee, status, detected_at, due_at,
    if({business:Bool}, ifNull(age_business_days, age_days), age_days) AS age, age_bucket(age) AS age_in, amount, currency, version, last_actor, lapsed,
    severity, service_level, acknowledge_clock, resolve_clock, hours_left, count() OVER () AS matching
FROM service_levels_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
WHERE workflow = {workflow:String}
    AND ({status:String} = '' OR status = {status:String} OR ({status:String} = 'open' AND is_open = 1))
    AND ({team:String} = '' OR owner = {team:String})
    AND ({holder:String} = '' OR if({holder:String} = 'me', lower(assignee) = lower({me:String}), (assignee != '') = ({holder:String} = 'assigned')))
    AND ({clock:String} = '' OR {clock:String} IN (acknowledge_clock, resolve_clock))
    AND ({code:String} = '' OR code = {code:String})
    AND ({expectation:String} = '' OR expectation = {expectation:String})
    AND ({bucket:String} = '' OR age_in = {bucket:String})
    AND ({dimension:String} = '' OR {segment:String} = '' OR if(dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) = {segment:String})
    AND ({text:String} = '' OR positionCaseInsensitiveUTF8(item_key, {text:String}) > 0)
ORDER BY
    if({order:String} = 'due', ifNull(hours_left, 1e12), 0),
    if({order:String} = 'amount', toFloat64(ifNull(abs(amount), -1)), 0) DESC,
    if({order:String} = 'newest', toUnixTimestamp64Micro(detected_at), 0) DESC,
    aged_from, detected_at, exception_id
LIMIT {limit:UInt64} OFFSET {offset:UInt64}
