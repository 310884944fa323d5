-- Rows in the tables the job writes; answered from metadata.
SELECT (SELECT count() FROM expectations) AS expectations, (SELECT count() FROM leg_members) AS members
