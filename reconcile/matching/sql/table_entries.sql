-- How many entries of one version of a table are kept
SELECT uniqExact((value, valid_from)) AS entries FROM matching_tables WHERE name = {name:String} AND version = {version:String}
