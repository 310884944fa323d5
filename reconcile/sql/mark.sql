-- How far a job has read, newest first, and how many facts there were up to then
SELECT mark AS read_up_to, max(facts) AS facts_then
FROM marks
WHERE job = {job:String}
GROUP BY read_up_to
ORDER BY read_up_to DESC
LIMIT {most:UInt32}
