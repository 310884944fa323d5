-- How many decisions a rule version has written
SELECT count() AS decisions FROM matches WHERE rule = {rule:String} AND version = {version:String}
