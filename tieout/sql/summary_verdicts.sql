-- Verdicts by expectation and state.
SELECT expectation, state, count() AS verdicts, sum(due) AS due, sum(failing) AS failing
FROM verdicts_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
WHERE workflow = {workflow:String}
GROUP BY expectation, state
ORDER BY expectation, state
