"""The composition root: settings, command line, jobs, serve, demo. Nothing imports it."""
