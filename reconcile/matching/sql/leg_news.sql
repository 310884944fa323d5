-- How many facts of one leg became known since the mark
WITH
    toDateTime64({mark:String}, 6, 'UTC') AS mark,
    toDateTime64({until:String}, 6, 'UTC') AS until
SELECT if({step:String} = '',
    (SELECT count() FROM snapshots WHERE object_type = {type:String} AND known_at > mark AND known_at <= until),
    (SELECT count() FROM events WHERE workflow = {workflow:String} AND step IN {steps:Array(String)} AND known_at > mark AND known_at <= until)
) AS news
