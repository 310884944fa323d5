-- All exceptions of one (V, K), worked out once for many KPIs
CREATE TABLE {table:Identifier} ENGINE = MergeTree ORDER BY workflow AS
SELECT *
FROM exceptions_at(as_of = {as_of:DateTime64(6, 'UTC')}, known_at = {known_at:DateTime64(6, 'UTC')})
WHERE workflow IN {workflows:Array(String)}
