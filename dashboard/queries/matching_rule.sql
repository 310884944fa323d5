-- One version of a matching rule as it said of itself, as JSON
SELECT content FROM matching_versions WHERE rule = {rule:String} AND version = {version:String} LIMIT 1
