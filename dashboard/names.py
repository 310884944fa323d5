"""Names of the environment variables through which the process that starts the dashboard tells it where things are."""

URL, TOKEN, PROJECT = "TIEOUT_STORE_URL", "TIEOUT_STORE_TOKEN", "TIEOUT_PROJECT"
# Where acts are done, and how the dashboard knows who acts: always one person, a header of a proxy, or its own sign-in.
ACTS_URL, ACTS_TOKEN = "TIEOUT_ACTS_URL", "TIEOUT_ACTS_TOKEN"
ACTS_USER, ACTS_HEADER, ACTS_SIGN_IN = "TIEOUT_ACTS_USER", "TIEOUT_ACTS_HEADER", "TIEOUT_ACTS_SIGN_IN"
