"""Where Redis and the database are, out of one URL each or the separate names that existing deployments use."""

from typing import Any
from urllib.parse import quote, urlsplit

import dj_database_url

from fullon_master import env, redis_clients

_REDIS_PARTS = ("HOST", "PORT", "DB", "PASSWORD")
_DATABASE_PARTS = ("HOST", "PORT", "USER", "PASSWORD", "NAME")
_SQLITE_TIMEOUT_S = 20
_CONNECTION_KEPT_S = 60  # threads that serve HTTP stay: see server/one_hop.py
_REDIS_DB_MAX = 15


def redis_url() -> tuple[str, bool]:
    """Return the URL of the cache's Redis, and whether anything was configured.

    Source: ``REDIS_URL``, else ``REDIS_HOST/PORT/DB/PASSWORD``, each else its ``CACHE_*`` twin, else localhost.
    """
    rule = "a redis://, rediss://, unix:// or redis+sentinel:// URL"
    url = env.text("REDIS_URL", "", pattern=r"(rediss?|unix|redis\+sentinel)://.+", rule=rule, shown=False)
    own = {part: env.optional(f"REDIS_{part}") for part in _REDIS_PARTS}
    twins = {part: env.optional(f"CACHE_{part}") for part in _REDIS_PARTS}
    if url:
        _refuse_other_redis(url, own)
        return url, True
    port_name = "CACHE_PORT" if own["PORT"] is None and twins["PORT"] else "REDIS_PORT"
    db_name = "CACHE_DB" if own["DB"] is None and twins["DB"] else "REDIS_DB"
    port = env.integer(port_name, 6379, minimum=1, maximum=65535)
    number = env.integer(db_name, 0, minimum=0, maximum=_REDIS_DB_MAX)
    host = own["HOST"] or twins["HOST"] or "localhost"
    password = own["PASSWORD"] or twins["PASSWORD"]
    credentials = f":{quote(password, safe='')}@" if password else ""
    configured = any(own.values()) or any(twins.values())
    return f"redis://{credentials}{f'[{host}]' if ':' in host else host}:{port}/{number}", configured


def _refuse_other_redis(url: str, own: dict[str, str | None]) -> None:
    """Refuse a ``REDIS_URL`` that disagrees with ``REDIS_HOST/PORT/DB/PASSWORD``, or names a database over 15."""
    parts = urlsplit(url)
    if parts.scheme == redis_clients.SCHEME:
        _refuse_other_master(url, own)
        return
    try:
        port = str(parts.port or 6379)
    except ValueError:
        env.refuse("REDIS_URL (value not shown) is refused: its port must be an integer from 1 to 65535.")
    number = parts.path.lstrip("/") or "0"
    if parts.scheme != "unix" and not (number.isdecimal() and int(number) <= _REDIS_DB_MAX):
        env.refuse(f"REDIS_URL names database {number!r}: it must be an integer from 0 to {_REDIS_DB_MAX}.")
    in_url = {"HOST": parts.hostname or "", "PORT": port, "DB": number, "PASSWORD": parts.password or ""}
    for part, value in own.items():
        if value is None or (parts.scheme != "unix" and value == in_url[part]):
            continue
        shown = "" if part == "PASSWORD" else f" ({value!r})"
        env.refuse(f"REDIS_URL and REDIS_{part}{shown} name different servers: set only one of them.")


def _refuse_other_master(url: str, own: dict[str, str | None]) -> None:
    """As above, of a URL that names Sentinels: where Redis itself is, they say."""
    try:
        master = redis_clients.parse_master(url)
    except ValueError as error:
        env.refuse(f"REDIS_URL (value not shown) is refused: {error}.")
    if master is not None and master.db > _REDIS_DB_MAX:
        env.refuse(f"REDIS_URL names database {master.db}: it must be an integer from 0 to {_REDIS_DB_MAX}.")
    for part, value in own.items():
        if value is not None:
            env.refuse(f"REDIS_URL names Sentinels, and REDIS_{part} is set as well: set only one of them.")


def database() -> dict[str, Any]:  # Any: Django's own type of a DATABASES entry
    """Return the entry of ``DATABASES``: ``DATABASE_URL``, else ``DB_*`` (PostgreSQL), else SQLite in the tree."""
    url = env.optional("DATABASE_URL")
    parts = {part: env.optional(f"DB_{part}") for part in _DATABASE_PARTS}
    if url is None and any(parts.values()):
        if not parts["NAME"]:
            env.refuse(
                "DB_NAME is not set: it must name the database when DB_HOST, DB_PORT, DB_USER or DB_PASSWORD is."
            )
        port = str(env.integer("DB_PORT", 5432, minimum=1, maximum=65535))
        return _postgresql({**parts, "HOST": parts["HOST"] or "localhost", "PORT": port})
    try:
        config: dict[str, Any] = {**dj_database_url.parse(url or f"sqlite:///{env.BASE_DIR / 'db.sqlite3'}")}
    except ValueError:
        env.refuse("DATABASE_URL (value not shown) is refused: it must be a postgresql:// or sqlite:/// URL.")
    for part, value in parts.items():
        if value is not None and value != str(config.get(part) or ""):
            env.refuse(f"DATABASE_URL and DB_{part} name different databases: set only one of them.")
    return _sqlite(config) if config["ENGINE"].endswith("sqlite3") else _postgresql(config)


def _sqlite(config: dict[str, Any]) -> dict[str, Any]:
    # WAL lets readers pass a writer. Alone it made lock errors worse, because a transaction that begins as a reader
    # cannot wait for the lock when it turns writer: IMMEDIATE takes the lock at BEGIN, where waiting is possible.
    config["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": _SQLITE_TIMEOUT_S,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        **config.get("OPTIONS", {}),
    }
    return config


def _postgresql(config: dict[str, Any]) -> dict[str, Any]:
    present = {name: value for name, value in config.items() if value is not None}
    kept = {"CONN_MAX_AGE": _CONNECTION_KEPT_S, "CONN_HEALTH_CHECKS": True}
    return {**present, **kept, "ENGINE": "accounts.postgresql"}  # Django's, with bounded waits
