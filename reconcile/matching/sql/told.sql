-- Records as their systems tell of them
SELECT * FROM counted
