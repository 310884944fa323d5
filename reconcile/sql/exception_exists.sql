-- Whether an expectation or a match with this exception id was ever written
SELECT count() > 0 AS known FROM exception_ids WHERE exception_id = {id:String}
