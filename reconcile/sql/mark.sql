-- How far a job has read
SELECT maxOrNull(mark) AS read_up_to FROM marks WHERE job = {job:String}
