-- A table that another program made gets what ours have: when its rows became known, and the request they came in.
ALTER TABLE {table:Identifier}
    ADD COLUMN known_at DateTime64(6, 'UTC') DEFAULT toDateTime64({time:Identifier}, 6, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'when tieout stored the row',
    ADD COLUMN IF NOT EXISTS request_id String CODEC(ZSTD(1)) COMMENT 'export request the row came in, empty when another program wrote it',
    ADD COLUMN IF NOT EXISTS request_items UInt32 CODEC(ZSTD(1)) COMMENT 'rows of that request';

ALTER TABLE {table:Identifier} MATERIALIZE COLUMN known_at SETTINGS mutations_sync = 2;

ALTER TABLE {table:Identifier} MODIFY COLUMN known_at DateTime64(6, 'UTC') DEFAULT now64(6);

ALTER TABLE {table:Identifier} ADD INDEX IF NOT EXISTS idx_known_at known_at TYPE minmax GRANULARITY 1;
