-- Rules that came into force and do not stand in the audit log yet: workflows, and service levels of exceptions
SELECT subject, version, since, digest
FROM (
    SELECT toString(workflow) AS subject, version, activated_at AS since, lower(hex(SHA256(content))) AS digest
    FROM workflow_versions
    UNION ALL
    SELECT
        'service_levels', version, activated_at,
        lower(hex(SHA256(arrayStringConcat(arraySort(groupArray(toString((
            position, name, workflow, expectation, code, owner, currency, at_least, severity, acknowledge_s, resolve_s)))), '\n'))))
    FROM service_levels
    GROUP BY version, activated_at
)
WHERE (subject, version, toString(since)) NOT IN (
    SELECT subject, JSONExtractString(content, 'version'), JSONExtractString(content, 'since')
    FROM audit_log WHERE kind = 'activation')
ORDER BY since, subject, version
