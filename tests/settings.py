"""Settings of the tests: those of the project, over servers that this test process starts for itself.

Each parallel worker has its own redis-server, because notices of changed keys cross database numbers. It must run
before Django reads its settings, which is why this is a settings module and not a fixture.
"""

import atexit
import os
import re
import shutil
import tempfile
from pathlib import Path

from cache_streams.server.embedded_redis import EmbeddedRedis
from tests.postgres import TestPostgres

BASE = Path(__file__).resolve().parent.parent

# Nothing of the developer's own installation may reach a test, least of all the address of a Redis in use.
for _name in re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=", (BASE / ".env.example").read_text(), re.MULTILINE):
    os.environ.pop(_name, None)

TEST_DIRECTORY = Path(tempfile.mkdtemp(prefix="gw-tests-"))
atexit.register(shutil.rmtree, TEST_DIRECTORY, ignore_errors=True)
TEST_REDIS = EmbeddedRedis.start(tcp=True)
atexit.register(TEST_REDIS.stop)

os.environ.update(
    ENV_FILE=os.devnull,
    SECRET_KEY="4b1a9c0d7e52f8a36b04e9d1c7f2508a",
    JWT_SECRET_KEY="9f3e71c2b8d604a5e1f7093c6d2ab845",
    REDIS_URL=TEST_REDIS.url,
    # All tests of a process come from one address, and hundreds of them in a minute. The limits have tests of their own.
    REQUESTS_PER_MINUTE_PER_ADDRESS="1000000",
    REQUESTS_PER_MINUTE_PER_USER="1000000",
)
if os.environ.get("TEST_DATABASE", "sqlite") == "postgresql":
    TEST_POSTGRES = TestPostgres.start()
    atexit.register(TEST_POSTGRES.stop)
    os.environ["DATABASE_URL"] = TEST_POSTGRES.url
else:
    os.environ["DATABASE_URL"] = f"sqlite:///{TEST_DIRECTORY / 'tests.sqlite3'}"

from fullon_master.settings import *  # noqa: E402, F403 - the lines above must come first; all names are settings
from fullon_master.settings import DATABASES  # noqa: E402

# A file, as in production: an in-memory database has other locks.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(TEST_DIRECTORY / "test.sqlite3")}
# Argon2 costs 50 ms of CPU per login on purpose; tests log in often. The hash formats have tests of their own.
PASSWORD_HASHERS = [
    "tests.hashers.QuickArgon2PasswordHasher",
    *[name for name in PASSWORD_HASHERS if "Argon2" not in name],  # noqa: F405
]
