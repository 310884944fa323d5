-- What versions of a matching rule say, as JSON
SELECT version, any(content) AS content FROM matching_versions WHERE rule = {rule:String} AND version IN {versions:Array(String)} GROUP BY version
