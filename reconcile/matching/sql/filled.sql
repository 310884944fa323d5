-- Which of some tables have rows
SELECT name FROM system.tables WHERE database = currentDatabase() AND name IN {tables:Array(String)} AND total_rows > 0 ORDER BY name
