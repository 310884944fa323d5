-- Attributes of telemetry kept as JSON, as they stand where they are kept as a map: paths, and text as the Collector's exporter
-- writes it there. A list of texts is JSON.
CREATE OR REPLACE FUNCTION attributes_of_json AS (attributes) -> CAST(
    arrayMap(
        (path, value) -> (path, if(
            JSONAllPathsWithTypes(attributes)[path] = 'Array(Nullable(String))',
            toJSONString(CAST(if(JSONAllPathsWithTypes(attributes)[path] = 'Array(Nullable(String))', value, '[]'), 'Array(String)')),
            value)),
        JSONAllPaths(attributes), JSONAllValues(attributes)),
    'Map(LowCardinality(String), String)');

CREATE OR REPLACE FUNCTION attributes_of_jsons AS (several) -> arrayMap(attributes -> attributes_of_json(attributes), several);
