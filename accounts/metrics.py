"""Counters of the REST side, named and typed once."""

from prometheus_client import Counter

LOGINS = Counter("gw_logins_total", "Attempts to log in, by outcome.", ["outcome"])
TOKENS_REFUSED = Counter(
    "gw_rest_tokens_refused_total", "Access tokens that REST did not believe.", ["reason"]
)
ERRORS = Counter("gw_rest_errors_total", "Requests answered with an error, by code.", ["code"])
KEYS_REFUSED = Counter("gw_rest_keys_refused_total", "API keys that REST did not believe.")
