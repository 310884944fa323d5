"""Where files lie: a folder of this machine, of an SFTP server, of an S3 bucket."""
