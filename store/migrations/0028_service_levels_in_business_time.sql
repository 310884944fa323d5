-- How soon somebody must act can be said in business days and hours of working time.
ALTER TABLE service_levels
    MODIFY COLUMN acknowledge_s COMMENT 'seconds until somebody must have taken it on; 0 for never, or when that is said in business time',
    MODIFY COLUMN resolve_s COMMENT 'seconds until it must be over, waivers not counted; 0 for never, or when that is said in business time',
    ADD COLUMN IF NOT EXISTS acknowledge_unit LowCardinality(String) COMMENT 'bd for business days, bh for hours of working time, empty for seconds',
    ADD COLUMN IF NOT EXISTS acknowledge_count UInt32 COMMENT 'so many of them until somebody must have taken it on',
    ADD COLUMN IF NOT EXISTS resolve_unit LowCardinality(String) COMMENT 'bd for business days, bh for hours of working time, empty for seconds',
    ADD COLUMN IF NOT EXISTS resolve_count UInt32 COMMENT 'so many of them until it must be over, waivers not counted',
    ADD COLUMN IF NOT EXISTS calendar LowCardinality(String) COMMENT 'counted by this one; empty for that of the exception';
