-- The time a probe was last complete through
SELECT max(complete_through) AS complete_at, count() AS marks FROM watermarks WHERE source = {source:String}
