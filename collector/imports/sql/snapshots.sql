-- States of objects that are not known yet.
INSERT INTO snapshots (
    system, object_type, object_key, fields, amount, currency, deleted, valid_from, captured_at, known_at, row_hash,
    source, run_id
)
SELECT
    system_name,
    object,
    key,
    kept_fields,
    money,
    kept_currency,
    gone,
    assumeNotNull(holds_from),
    {known_at:DateTime64(6, 'UTC')},
    {known_at:DateTime64(6, 'UTC')},
    hash,
    {source:String},
    import_id
FROM written
