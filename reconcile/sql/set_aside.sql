-- Records that were set aside as unusable by K and name one key, the newest first.
SELECT known_at AS at, source, file, line, reason, detail
FROM import_rejects
WHERE has(mapValues(fields), {object_key:String}) AND known_at <= {known_at:DateTime64(6, 'UTC')}
ORDER BY at DESC, source, file, line
LIMIT 20
