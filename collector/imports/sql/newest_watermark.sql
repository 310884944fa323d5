-- How far a source is proven complete; null when it never was.
SELECT if(count() = 0, NULL, max(complete_through)) AS complete_through
FROM watermarks
WHERE source = {source:String}
