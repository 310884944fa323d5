-- The objects that the good states name, as links like those of an OCEL log.
INSERT INTO import_rows (import_id, part, line, file, fields)
SELECT
    import_id,
    'link',
    line,
    file,
    map(
        'from_type', object, 'from_key', key, 'to_type', link.1, 'to_key', link.2, 'role', link.3,
        'valid_from', toString(assumeNotNull(holds_from))
    )
FROM decided
ARRAY JOIN links AS link
WHERE reason = '' AND NOT gone
