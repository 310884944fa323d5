-- How many links were staged, and how many of them are held back.
SELECT count() AS counted, countIf(holds_from >= {until:DateTime64(6, 'UTC')}) AS held_back
FROM decided
