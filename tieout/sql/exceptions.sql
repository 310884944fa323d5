-- Exceptions as a work list, oldest first.
SELECT
    exception_id, workflow, expectation, code, state, status, owner, assignee, item_type, item_key,
    detected_at, due_at, resolved_at, aged_from, age_days, age_business_days, calendar, bucket, amount, currency, reason, note, until, version,
    severity, service_level, acknowledge_by, acknowledge_clock, resolve_by, resolve_clock, hours_left
FROM service_levels_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
WHERE ({workflow:String} = '' OR workflow = {workflow:String})
    AND ({status:String} = '' OR status = {status:String} OR ({status:String} = 'open' AND is_open = 1))
    AND ({owner:String} = '' OR owner = {owner:String} OR assignee = {owner:String})
    AND ({expectation:String} = '' OR expectation = {expectation:String})
    AND ({code:String} = '' OR code = {code:String})
    AND ({severity:String} = '' OR severity = {severity:String})
    AND ({clock:String} = '' OR {clock:String} IN (acknowledge_clock, resolve_clock))
    AND age_days >= {older_than:UInt32}
    AND ({id:String} = '' OR exception_id = {id:String})
ORDER BY aged_from, detected_at, exception_id
LIMIT {limit:UInt64} OFFSET {offset:UInt64}
