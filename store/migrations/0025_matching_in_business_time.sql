-- When legs are due and which business day a record counts for, looked up once when it is read.
ALTER TABLE match_records
    ADD COLUMN IF NOT EXISTS due Array(DateTime64(6, 'UTC')) COMMENT 'when each leg of the rule is due by this record alone',
    ADD COLUMN IF NOT EXISTS dated Bool COMMENT 'that counts from a date it names, not from when it is there',
    ADD COLUMN IF NOT EXISTS business_day Int32 COMMENT 'business day it counts for, of the calendar that windows are counted by; 0 without one';
