-- Holds the number of a migration that is made elsewhere; the merge takes this file away.
SELECT 1;
