-- Windows can be learned in business days and in working time, and by matching rules.
ALTER TABLE learned_windows
    ADD COLUMN IF NOT EXISTS unit LowCardinality(String) DEFAULT 's'
        COMMENT 'what the window is of: s, seconds of the clock; bs, seconds of working time; bd, business days' AFTER learned,
    ADD COLUMN IF NOT EXISTS window_bd Int32
        COMMENT 'business days from opening to due time where unit is bd, else 0' AFTER window_s,
    COMMENT COLUMN window_s 'seconds from opening to due time, of the clock or of working time; 0 where unit is bd or while there were too few lags';

ALTER TABLE matches
    ADD COLUMN IF NOT EXISTS `lags.from` Array(DateTime64(6, 'UTC'))
        COMMENT 'from when the window of each leg counted; of matches of rules that learn windows, else empty' AFTER closed_at,
    ADD COLUMN IF NOT EXISTS `lags.until` Array(DateTime64(6, 'UTC'))
        COMMENT 'when each leg was whole' AFTER `lags.from`;
