"""Django settings: one file for every environment, out of the environment and ``.env``; secure unless told otherwise.

``.env.example`` documents every name that is read here. What no environment changes stands in ``framework``, ``rest``
and ``logs``.
"""

import re
import warnings

from fullon_master import addresses, env, framework, logs, redis_clients, rest

BASE_DIR = env.BASE_DIR
DEBUG = env.boolean("DEBUG", default=False)
SECRET_KEY = env.secret("SECRET_KEY", debug=DEBUG)
ROOT_URLCONF = "fullon_master.urls"
ASGI_APPLICATION = "fullon_master.asgi.application"

# --- The service ---------------------------------------------------------------------------------------------------
API_TITLE = env.text("API_TITLE", "Fullon Cache Gateway")
API_VERSION = env.text("API_VERSION", "1.0.0")
API_PREFIX = env.choice("API_PREFIX", "/api/v1", ("/api/v1",))
HOST = env.text("HOST", "127.0.0.1", pattern=r"[A-Za-z0-9.:_-]+", rule="an address or a host name")
PORT = env.integer("PORT", 8000, minimum=1, maximum=65535)
WORKERS = env.integer("WORKERS", 1, minimum=1, maximum=256)
ALLOWED_HOSTS = env.texts("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"], rule="host names")
NUM_PROXIES = env.integer("NUM_PROXIES", 0, minimum=0, maximum=16)
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES", ["127.0.0.1/32", "::1/128"])
ROOT_PATH = env.text(
    "ROOT_PATH",
    "",
    pattern=r"(/[A-Za-z0-9][A-Za-z0-9._~-]*)+",
    rule="a path like /gateway, without a slash at its end",
)
FORCE_SCRIPT_NAME = ROOT_PATH or None
HTTPS_ONLY = env.boolean("HTTPS_ONLY", default=False)
ADMIN_MAIL = env.text("ADMIN_MAIL", "admin@fullon", pattern=r"[^@\s]+@[^@\s]+", rule="a mail address")
ADMIN_PASSWORD = env.optional("ADMIN_PASSWORD")

# --- Metrics: who may read them; nobody unless named ---------------------------------------------------------------
METRICS_TOKEN = env.text(
    "METRICS_TOKEN", "", pattern=r"[!-~]{16,256}", rule="16 to 256 visible ASCII characters", shown=False
)
METRICS_ADDRESSES = env.networks("METRICS_ADDRESSES", [])

# --- Redis: the cache that is read, and the gateway's own keys below GW_PREFIX ---------------------------------------
REDIS_URL, REDIS_CONFIGURED = addresses.redis_url()
REDIS_DATABASE = redis_clients.database_of(REDIS_URL)
REDIS_CLIENT = redis_clients.client
REDIS_ASYNC_CLIENT = redis_clients.async_client
GW_PREFIX = env.text("GW_PREFIX", "gw", pattern=r"[A-Za-z0-9_.-]{1,32}", rule="1 to 32 of A-Z a-z 0-9 _ . -")
LOG_MAX_ENTRIES = env.integer("LOG_MAX_ENTRIES", 100_000, minimum=100, maximum=100_000_000)
LOG_MAX_AGE_S = env.positive_float("LOG_MAX_AGE_S", 900.0)
LOG_BYTES_BUDGET = env.integer("LOG_BYTES_BUDGET", 1_073_741_824, minimum=1_048_576, maximum=2**50)
LOG_SHARDS = env.integer("LOG_SHARDS", 16, minimum=1, maximum=100)
POLL_INTERVAL_S = env.positive_float("POLL_INTERVAL_S", 2.0)
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "cache_streams.layers.LogBackedChannelLayer",
        "CONFIG": {"prefix": f"{GW_PREFIX}:layer"},
    },
}

# --- Sockets ---------------------------------------------------------------------------------------------------------
HANDSHAKE_TIMEOUT_S = env.positive_float("HANDSHAKE_TIMEOUT_S", 5.0)
PENDING_HANDSHAKES_PER_ADDRESS = env.integer(
    "PENDING_HANDSHAKES_PER_ADDRESS", 100, minimum=0, maximum=1_000_000
)
# Both maxima together stay below the 30 s after which the supervisor kills.
DRAIN_NOTICE_S = env.integer("DRAIN_NOTICE_S", 0, minimum=0, maximum=10)
DRAIN_S = env.integer("DRAIN_S", 10, minimum=0, maximum=15)
FRAME_BYTES_MAX = env.integer("FRAME_BYTES_MAX", 65_536, minimum=1_024, maximum=16_777_216)
FRAMES_PER_S = env.integer("FRAMES_PER_S", 1_000, minimum=0, maximum=10_000_000)
PING_INTERVAL_S = env.positive_float("PING_INTERVAL_S", 20.0)
PONG_TIMEOUT_S = env.positive_float("PONG_TIMEOUT_S", 20.0)
STALL_TIMEOUT_S = env.positive_float("STALL_TIMEOUT_S", 13.0)
HEARTBEAT_S = env.positive_float("HEARTBEAT_S", 15.0)
SOCKETS_PER_USER = env.integer("SOCKETS_PER_USER", 200, minimum=0, maximum=1_000_000)
SUBSCRIPTIONS_PER_SOCKET = env.integer("SUBSCRIPTIONS_PER_SOCKET", 1_024, minimum=0, maximum=100_000)
REPLAYS_PER_SOCKET = env.integer("REPLAYS_PER_SOCKET", 4, minimum=1, maximum=100)
NATIVE_REQUESTS_PER_S = env.integer("NATIVE_REQUESTS_PER_S", 20, minimum=0, maximum=100_000)
RPC_REQUESTS_PER_S = env.integer("RPC_REQUESTS_PER_S", 200, minimum=0, maximum=100_000)
ORDERS_PUSH_AFTER_S = env.positive_float("ORDERS_PUSH_AFTER_S", 0.5)
BASE_DISPATCH = env.boolean("BASE_DISPATCH", default=False)
ROOT_MOUNT = env.boolean("ROOT_MOUNT", default=False)
ROOT_MOUNT_AUTH = env.boolean("ROOT_MOUNT_AUTH", default=True)
AGENTS_ALIAS_PATHS = [
    path.rstrip("/")
    for path in env.texts(
        "AGENTS_ALIAS_PATHS",
        [] if env.is_emptied("AGENTS_ALIAS_PATHS") else ["/ws", "/websocket", "/api/v1/websocket"],
        pattern=r"/[A-Za-z0-9._~-][A-Za-z0-9._~/-]*",
        rule="paths that begin with a slash",
    )
]
for _path in AGENTS_ALIAS_PATHS:
    if ROOT_MOUNT and (_path == "/ws" or _path.startswith("/ws/")):
        env.refuse(
            f"ROOT_MOUNT=true and AGENTS_ALIAS_PATHS both claim {_path!r}: take it out of AGENTS_ALIAS_PATHS."
        )
    if _path == f"{API_PREFIX}/stream" or f"{_path}/".startswith(f"{API_PREFIX}/cache/ws/"):
        env.refuse(f"AGENTS_ALIAS_PATHS claims {_path!r}, which another family of sockets has.")

# --- Who may see what ------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
JWT_SECRET_KEY = env.secret("JWT_SECRET_KEY", debug=DEBUG)
JWT_ALGORITHM = env.choice("JWT_ALGORITHM", "HS256", ("HS256", "HS384", "HS512"))
JWT_EXPIRATION_MINUTES = env.integer("JWT_EXPIRATION_MINUTES", 60, minimum=1, maximum=525_600)
JWT_REFRESH_DAYS = env.integer("JWT_REFRESH_DAYS", 7, minimum=1, maximum=365)
if JWT_SECRET_KEY == SECRET_KEY:
    env.refuse("SECRET_KEY and JWT_SECRET_KEY are equal: who may check tokens could then forge sessions.")
REQUESTS_PER_MINUTE_PER_USER = env.integer(
    "REQUESTS_PER_MINUTE_PER_USER", 1_200, minimum=0, maximum=10_000_000
)
REQUESTS_PER_MINUTE_PER_ADDRESS = env.integer(
    "REQUESTS_PER_MINUTE_PER_ADDRESS", 6_000, minimum=0, maximum=10_000_000
)
TICKETS_PER_MINUTE = env.integer("TICKETS_PER_MINUTE", 120, minimum=0, maximum=10_000_000)
LOGIN_ATTEMPTS_PER_MINUTE = env.integer("LOGIN_ATTEMPTS_PER_MINUTE", 30, minimum=1, maximum=100_000)
ADDRESS_LOGIN_ATTEMPTS_PER_MINUTE = env.integer(
    "ADDRESS_LOGIN_ATTEMPTS_PER_MINUTE", 100, minimum=1, maximum=100_000
)
AUTHENTICATION_BACKENDS = ["accounts.backends.BoundedBackend"]
REQUIRE_USER = env.boolean("REQUIRE_USER", default=True)
WS_ALLOW_QUERY_TOKEN = env.boolean("WS_ALLOW_QUERY_TOKEN", default=True)
ENABLE_API_KEY_AUTH = env.boolean("ENABLE_API_KEY_AUTH", default=True)
API_KEY_HEADER_NAME = env.text(
    "API_KEY_HEADER_NAME", "X-API-Key", pattern=r"[A-Za-z0-9-]{1,64}", rule="the name of a header"
)
CACHE_ACCESS = env.choice("CACHE_ACCESS", "private", ("private", "open"))
if ROOT_MOUNT and not ROOT_MOUNT_AUTH and CACHE_ACCESS == "open":
    env.refuse(
        "ROOT_MOUNT_AUTH=false and CACHE_ACCESS=open exclude one another: whoever reaches the port would read every account."
    )
CACHE_PUBLISH = env.boolean("CACHE_PUBLISH", default=False)
PUBLISHES_PER_MINUTE = env.integer("PUBLISHES_PER_MINUTE", 600, minimum=1, maximum=10_000_000)
PUBLICATIONS_KEPT = env.integer("PUBLICATIONS_KEPT", 100_000, minimum=1_000, maximum=100_000_000)
PASSWORD_HASHERS, AUTH_PASSWORD_VALIDATORS = framework.PASSWORD_HASHERS, framework.AUTH_PASSWORD_VALIDATORS

# --- Agent runs ------------------------------------------------------------------------------------------------------
AGENTS_WIRE_FORM = env.choice("AGENTS_WIRE_FORM", "dual", ("dual", "flat", "payload"))
AGENTS_DEFAULT_ROLE = env.choice("AGENTS_DEFAULT_ROLE", "viewer", ("viewer", "user"))
AGENTS_HEARTBEAT_S = env.positive_float("AGENTS_HEARTBEAT_S", 25.0)
AGENTS_SOCKETS_PER_USER = env.integer("AGENTS_SOCKETS_PER_USER", 10, minimum=1, maximum=100_000)
AGENTS_FRAMES_PER_MINUTE = env.integer("AGENTS_FRAMES_PER_MINUTE", 120, minimum=1, maximum=10_000_000)
AGENTS_INGEST = env.boolean("AGENTS_INGEST", default=False)
AGENTS_RUN_IDLE_TIMEOUT_S = env.positive_float("AGENTS_RUN_IDLE_TIMEOUT_S", 300.0)
AGENTS_RETENTION_S = env.positive_float("AGENTS_RETENTION_S", 604_800.0)
AGENTS_RETENTION_EVENTS = env.integer("AGENTS_RETENTION_EVENTS", 10_000, minimum=100, maximum=100_000_000)
AGENTS_OPEN_RUNS_MAX = env.integer("AGENTS_OPEN_RUNS_MAX", 100, minimum=1, maximum=100_000)
AGENTS_REQUESTS_PER_MINUTE = env.integer("AGENTS_REQUESTS_PER_MINUTE", 60_000, minimum=1, maximum=10_000_000)
AGENT_RUNNER = env.choice("AGENT_RUNNER", "demo" if DEBUG else "none", ("none", "demo", "openai"))
AGENT_OPENAI_URL = env.text(
    "AGENT_OPENAI_URL", "", pattern=r"https?://[^\s?#]+", rule="an http:// or https:// URL without query"
).rstrip("/")
AGENT_OPENAI_KEY = env.optional("AGENT_OPENAI_KEY")
AGENT_OPENAI_MODEL = env.text("AGENT_OPENAI_MODEL", "")
AGENT_STEPS_MAX = env.integer("AGENT_STEPS_MAX", 8, minimum=1, maximum=100)
AGENT_TIME_MAX_S = env.positive_float("AGENT_TIME_MAX_S", 120.0)
AGENT_TOKENS_MAX = env.integer("AGENT_TOKENS_MAX", 20_000, minimum=1, maximum=10_000_000)
if AGENT_RUNNER == "openai" and not (AGENT_OPENAI_URL and AGENT_OPENAI_MODEL):
    env.refuse("AGENT_RUNNER=openai needs AGENT_OPENAI_URL and AGENT_OPENAI_MODEL.")

# --- Browsers --------------------------------------------------------------------------------------------------------
_ORIGIN = {"pattern": r"\*|[a-z][a-z0-9+.-]*://[^/\s]+", "rule": "origins (scheme://host[:port]) or '*'"}
CORS_ALLOWED_ORIGINS = env.texts("CORS_ALLOWED_ORIGINS", [], **_ORIGIN)
_cors_alias = env.texts("CORS_ORIGINS", CORS_ALLOWED_ORIGINS, **_ORIGIN)
if CORS_ALLOWED_ORIGINS and _cors_alias != CORS_ALLOWED_ORIGINS:
    env.refuse(
        f"CORS_ALLOWED_ORIGINS={CORS_ALLOWED_ORIGINS} and CORS_ORIGINS={_cors_alias} differ: set one of them."
    )
CORS_ALLOW_CREDENTIALS = env.boolean("CORS_ALLOW_CREDENTIALS", default=False)
CORS_ALLOW_ALL_ORIGINS = "*" in _cors_alias
if CORS_ALLOW_ALL_ORIGINS and CORS_ALLOW_CREDENTIALS:
    env.refuse(
        "CORS_ALLOWED_ORIGINS='*' and CORS_ALLOW_CREDENTIALS=true exclude one another: list the origins."
    )
CORS_ALLOWED_ORIGINS = [origin for origin in _cors_alias if origin != "*"]
CORS_ALLOW_METHODS = env.texts("CORS_ALLOW_METHODS", ["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"])
CORS_ALLOW_HEADERS = env.texts(
    "CORS_ALLOW_HEADERS",
    [
        *("accept", "authorization", "content-type", "idempotency-key"),
        *(API_KEY_HEADER_NAME.lower(), "if-none-match", "x-request-id"),
    ],
)
# What pages of other origins may read besides: browsers hide every header that is not listed.
CORS_EXPOSE_HEADERS = [
    *("etag", "retry-after", "x-request-id"),
    *("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG  # browsers take loopback for secure without TLS
SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_HSTS_SECONDS = 0 if DEBUG else 31_536_000  # sent over TLS alone
HSTS_SUBDOMAINS = SECURE_HSTS_INCLUDE_SUBDOMAINS = env.boolean("HSTS_SUBDOMAINS", default=True)
SILENCED_SYSTEM_CHECKS = [
    "security.W021",  # to be built into browsers is for the owner of the domain to ask, not for us to offer
    *(() if HTTPS_ONLY else ("security.W008",)),  # programs of a private network may speak plain HTTP
    *(() if SECURE_HSTS_INCLUDE_SUBDOMAINS else ("security.W005",)),  # said so
]
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = f"{ROOT_PATH}/"
SECURE_REDIRECT_EXEMPT = [
    rf"^{re.escape(ROOT_PATH.lstrip('/'))}/?health"
]  # probes speak plain HTTP to the process itself
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "accounts.errors.csrf_failure"
APPEND_SLASH = False  # a redirected POST loses its body; each route accepts both forms

# --- Django ----------------------------------------------------------------------------------------------------------
INSTALLED_APPS, MIDDLEWARE, TEMPLATES = framework.INSTALLED_APPS, framework.MIDDLEWARE, framework.TEMPLATES
DATABASES = {"default": addresses.database()}
DATABASE_TIMEOUT_S = env.positive_float("DATABASE_TIMEOUT_S", 3.0)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = f"{ROOT_PATH}/static/"
DASHBOARD = BASE_DIR / "frontend" / "dist"  # built at set-up, from frontend/src
WHITENOISE_USE_FINDERS = True  # no collectstatic between a clone and a styled admin site
# Of each static file: Django reads it whole before it sends it. They are small, and browsers keep them.
warnings.filterwarnings("ignore", "StreamingHttpResponse must consume synchronous iterators", Warning)

# --- The admin site ----------------------------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": API_TITLE,
    "SITE_HEADER": API_TITLE,
    "SITE_URL": f"{ROOT_PATH}/",
    "SITE_SYMBOL": "monitoring",
    "SITE_FAVICONS": [{"rel": "icon", "href": "data:,"}],
    "SIDEBAR": {"navigation": "fullon_master.sidebar.navigation"},
}

# --- REST ------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = rest.REST_FRAMEWORK
SPECTACULAR_SETTINGS = rest.spectacular(API_TITLE, API_VERSION, ROOT_PATH)

# --- Logs -------------------------------------------------------------------------------------------------------------
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOG_FORMAT = env.choice("LOG_FORMAT", "auto", ("auto", "console", "json"))
LOGGING = logs.logging(LOG_LEVEL, LOG_FORMAT)
logs.configure_structlog()
