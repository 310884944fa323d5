-- How far a job has read; nothing when it never ran.
SELECT max(mark) AS mark
FROM marks
WHERE job = {job:String}
HAVING count() > 0
