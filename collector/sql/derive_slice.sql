-- Up to when at most so many spans and log records became known since `from`; the start of time when there are none.
SELECT max(known_at) AS until
FROM (
    SELECT known_at
    FROM telemetry
    WHERE known_at > {from:DateTime64(6, 'UTC')} AND known_at <= {until:DateTime64(6, 'UTC')}
    ORDER BY known_at
    LIMIT {size:UInt32}
)
