"""Names of the environment variables through which the process that starts the dashboard tells it where things are."""

URL, TOKEN, PROJECT = "TIEOUT_STORE_URL", "TIEOUT_STORE_TOKEN", "TIEOUT_PROJECT"
