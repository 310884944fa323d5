-- The good states that are not known yet: with a time of their own, those never stored for that time; without, those
-- that differ from what was stored last.
SELECT import_id, file, line, object, system_name, key, holds_from, kept_fields, money, kept_currency, gone, hash
FROM decided
WHERE reason = ''
    AND (NOT {timed:Bool} OR holds_from < {until:DateTime64(6, 'UTC')})
    AND (object, key, if({timed:Bool}, assumeNotNull(holds_from), toDateTime64(0, 6, 'UTC')), hash) NOT IN (
        SELECT object_type, object_key, if({timed:Bool}, valid_from, toDateTime64(0, 6, 'UTC')), row_hash
        FROM (
            SELECT
                object_type, object_key, valid_from, row_hash,
                row_number() OVER (PARTITION BY object_type, object_key ORDER BY valid_from DESC, known_at DESC) AS age
            FROM snapshots
            WHERE object_type IN {types:Array(String)} AND source = {source:String}
                AND object_key IN (SELECT key FROM decided)
        )
        WHERE {timed:Bool} OR age = 1
    )
ORDER BY import_id, file, line
LIMIT 1 BY object, key, holds_from, hash
