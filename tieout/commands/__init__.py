"""The commands, by what they are for: life of the system, the site's files, data in, answers out."""
