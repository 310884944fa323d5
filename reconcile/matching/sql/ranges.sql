-- Keys at which to cut what became known since the mark into shares of about one size
WITH arraySort(groupArraySample(100000, 1)(key)) AS keys
SELECT arrayDistinct(arrayMap(i -> keys[1 + intDiv(i * length(keys), {shares:UInt32})], range(1, {shares:UInt32}))) AS cuts
FROM match_records
WHERE stream = stream_of({rule:String}, {version:String}, {pass:UInt8})
    AND known_at > toDateTime64({mark:String}, 6, 'UTC') AND known_at <= toDateTime64({until:String}, 6, 'UTC')
