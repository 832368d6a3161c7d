"""Counters of the REST side, named and typed once."""

from prometheus_client import Counter

LOGINS = Counter("gw_logins_total", "Attempts to log in, by outcome.", ["outcome"])
LOGINS_COUNTED_ALONE = Counter(
    "gw_logins_counted_alone_total",
    "Attempts to log in that this process counted by itself, because Redis was away.",
)
DATABASE_TIMEOUTS = Counter(
    "gw_database_timeouts_total", "Waits for PostgreSQL that were given up after DATABASE_TIMEOUT_S."
)
TOKENS_REFUSED = Counter(
    "gw_rest_tokens_refused_total", "Access tokens that REST did not believe.", ["reason"]
)
ERRORS = Counter("gw_rest_errors_total", "Requests answered with an error, by code.", ["code"])
KEYS_REFUSED = Counter("gw_rest_keys_refused_total", "API keys that REST did not believe.")
THROTTLED = Counter(
    "gw_rest_throttled_total", "Requests beyond a limit of their minute, by limit.", ["limit"]
)
COUNTS_LOST = Counter(
    "gw_rest_counts_lost_total",
    "Times Redis could not be asked how often somebody came; nobody is limited then.",
)
