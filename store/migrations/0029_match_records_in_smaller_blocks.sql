-- A run looks up the records of the keys that changed, far apart from each other: less is unpacked for each of them.
ALTER TABLE match_records MODIFY SETTING min_compress_block_size = 8192;
