-- Bytes free where the store writes; of several disks the fullest counts.
SELECT min(unreserved_space) AS free_bytes
FROM system.disks
WHERE NOT is_remote AND NOT is_read_only
HAVING count() > 0
