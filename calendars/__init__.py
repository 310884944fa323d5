"""When people work: site files and public holidays → one table of days that all SQL counts with."""
