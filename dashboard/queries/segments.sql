-- Values of a dimension among the exceptions
SELECT if(dims[{dimension:String}] = '', 'unmapped', dims[{dimension:String}]) AS segment, count() AS items
FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
WHERE workflow = {workflow:String}
GROUP BY segment
ORDER BY items DESC, segment
LIMIT 1000
