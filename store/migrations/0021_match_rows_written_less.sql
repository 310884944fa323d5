-- Under which keys a record ever stood is found without reading all records of its rule.
ALTER TABLE match_records ADD PROJECTION IF NOT EXISTS by_record (
    SELECT rule, version, pass, key, cityHash64(leg, record) ORDER BY rule, version, cityHash64(leg, record));

ALTER TABLE match_records MATERIALIZE PROJECTION by_record SETTINGS mutations_sync = 2;

-- Rows are found by index, so their parts need no statistics, and wide rows are to be written again less often.
ALTER TABLE match_records MODIFY SETTING merge_selector_base = 12, auto_statistics_types = '';

ALTER TABLE matches MODIFY SETTING merge_selector_base = 12, auto_statistics_types = '';
