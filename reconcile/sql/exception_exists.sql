-- Whether an expectation or a match with this exception id was ever written
SELECT (
    SELECT count() FROM expectations
    WHERE lower(hex(sipHash128(workflow, expectation, item_type, item_key, opened_by))) = {id:String}
) + (
    SELECT count() FROM matches
    WHERE arrayExists(about -> lower(hex(sipHash128(workflow, rule, members.type[1], members.record[1], about))) = {id:String},
        arrayMap((rank, code, field) -> if(rank IN (1, 4), concat(code, ' ', field), toString(field)), points.rank, points.code, points.field))
) > 0 AS known
