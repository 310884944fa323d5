-- Items of a workflow by where they stand.
SELECT stage, state, count() AS items, sum(open_exceptions) AS open_exceptions
FROM items_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
WHERE workflow = {workflow:String}
GROUP BY stage, state
ORDER BY items DESC, stage, state
