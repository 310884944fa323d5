-- Number kept free; replaced when the branches meet.
SELECT 1;
