-- The item that each of some events is about: the object of the workflow's main type, else the first one
SELECT
    event_id, step, occurred_at, if(has(objects.type, {item:String}), {item:String}, objects.type[1]) AS about_type,
    objects.key[greatest(indexOf(objects.type, {item:String}), 1)] AS about_key
FROM events
WHERE workflow = {workflow:String} AND event_id IN {ids:Array(String)}
LIMIT 1 BY event_id
