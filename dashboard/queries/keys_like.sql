-- Keys that begin like a text, for a search that found nothing
SELECT object_type, object_key, count() AS event_count
FROM event_objects
WHERE startsWith(lowerUTF8(object_key), lowerUTF8({text:String}))
GROUP BY object_type, object_key
ORDER BY length(object_key), object_key
LIMIT 8
