"""Settings of the plain application: Channels and one layer."""

import os

SECRET_KEY = "a benchmark has no secrets"  # noqa: S105  # nothing is signed with it
INSTALLED_APPS = ["channels"]
ALLOWED_HOSTS = ["*"]
USE_TZ = True
DATABASES: dict[str, dict[str, str]] = {}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": os.environ["PLAIN_LAYER"],
        "CONFIG": {"hosts": [os.environ["PLAIN_REDIS_URL"]]},
    },
}
