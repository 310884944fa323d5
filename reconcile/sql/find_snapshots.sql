-- Object types under which a key is known from state alone.
SELECT object_type, object_key, count() AS states
FROM snapshots
WHERE object_key IN ({text:String}, upper({text:String}))
GROUP BY object_type, object_key
ORDER BY object_type
LIMIT 20
