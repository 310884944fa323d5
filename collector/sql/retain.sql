-- Parts are dropped whole, once all their rows are old: nothing is rewritten for it.
ALTER TABLE {table:Identifier} MODIFY SETTING ttl_only_drop_parts = 1;

ALTER TABLE {table:Identifier} MODIFY TTL toDateTime({time:Identifier}) + toIntervalSecond({seconds:UInt64});
