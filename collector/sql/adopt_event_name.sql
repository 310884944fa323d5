-- Older exporters have no such column; newer ones look at their start whether it is there.
ALTER TABLE otel_logs ADD COLUMN IF NOT EXISTS EventName String CODEC(ZSTD(1)) COMMENT 'kind of event, empty for plain logs'
