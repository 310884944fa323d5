-- Whether objects come several times in a reading: how many records beside the first of each
SELECT count() - uniqExact(key_hash) AS again
FROM (
    SELECT cityHash64(key_of(fields, {key:Array(String)}, {key_rules:Array(String)}) AS key_read) AS key_hash
    FROM probe_rows
    WHERE reading = {reading:String} AND key_read != '' AND in_slice(key_read, {slices:UInt32}, {slice:UInt32})
)
