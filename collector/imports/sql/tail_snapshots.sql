-- States that hold from `until` on or later.
SELECT DISTINCT
    system_name AS system, object AS object_type, key AS object_key, kept_fields AS fields,
    money AS amount, kept_currency AS currency, gone AS deleted, assumeNotNull(holds_from) AS valid_from, hash AS row_hash
FROM decided
WHERE reason = '' AND {timed:Bool} AND holds_from >= {until:DateTime64(6, 'UTC')}
ORDER BY valid_from, object_key
