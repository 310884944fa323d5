-- One exception by its permanent id
SELECT * EXCEPT (failed_at)
FROM service_levels_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
WHERE workflow = {workflow:String} AND exception_id = {id:String}
LIMIT 1
