-- Each staged link once, from the earliest time it is said to hold.
SELECT
    fields['from_type'] AS origin_type,
    fields['from_key'] AS origin_key,
    fields['to_type'] AS target_type,
    fields['to_key'] AS target_key,
    fields['role'] AS link_role,
    min(assumeNotNull(parseDateTime64BestEffortOrNull(fields['valid_from'], 6, 'UTC'))) AS holds_from
FROM import_rows
WHERE import_id IN {import_ids:Array(String)} AND part = 'link'
GROUP BY origin_type, origin_key, target_type, target_key, link_role
