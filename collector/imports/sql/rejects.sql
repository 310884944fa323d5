-- Rows that cannot be used, with the reason; the same row of the same file is set aside once.
INSERT INTO import_rejects (import_id, source, file, file_sha256, line, reason, detail, fields, known_at)
SELECT
    import_id,
    {source:String},
    file,
    {file_sha256:String},
    line,
    reason,
    if(said != '', said, transform(reason, {reasons:Array(String)}, {details:Array(String)}, '')),
    mapFilter((name, value) -> NOT startsWith(name, '@') AND ({keep_all:Bool} OR has({kept:Array(String)}, name)), fields),
    {known_at:DateTime64(6, 'UTC')}
FROM decided
WHERE reason != '' AND import_id = {import_id:String}
    AND (file, line, reason) NOT IN (
        SELECT file, line, reason
        FROM import_rejects
        WHERE source = {source:String} AND file_sha256 = {file_sha256:String}
    )
