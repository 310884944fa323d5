-- Takes out what is there of requests that are about to be stored again, whole
DELETE FROM {table:Identifier}
WHERE known_at >= {since:DateTime64(6, 'UTC')} AND request_id IN {ids:Array(String)}
