-- What fell due, by expectation and period of its due time, and what became of it by V
-- Period 0 is the one that ends at V; what is due exactly at its start belongs to the one before.
SELECT
    expectation, clock,
    toUInt32(intDiv(toUnixTimestamp64Micro({as_of:DateTime64(6, 'UTC')}) - toUnixTimestamp64Micro(due_at), {period_us:Int64})) AS period,
    count() AS due_items,
    sum(matched) AS matched_items,
    countIf(matched = 1 AND closed_at <= due_at) AS on_time_items,
    sum(unknown) AS unknown_items,
    sum(failing) AS failing_items
FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
WHERE workflow = {workflow:String} AND due = 1
GROUP BY expectation, clock, period
HAVING period < {periods:UInt32}
ORDER BY expectation, period
