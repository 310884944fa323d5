-- What an attribute holds: the items of a list, which is stored as JSON text, or the text itself.
CREATE OR REPLACE FUNCTION values_of AS (text) -> if(
    startsWith(text, '[') AND isValidJSON(text), JSONExtract(text, 'Array(String)'), [text]
);
