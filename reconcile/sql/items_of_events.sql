-- The item that each of some events is about: the object of the workflow's main type, else the first one
SELECT event_id, step, if(has(objects.type, {item:String}), objects.key[indexOf(objects.type, {item:String})], objects.key[1]) AS item
FROM events
WHERE workflow = {workflow:String} AND event_id IN {ids:Array(String)}
LIMIT 1 BY event_id
