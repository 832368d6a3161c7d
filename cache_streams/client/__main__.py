"""``python -m cache_streams.client``."""

import sys

from cache_streams.client.command.main import main

sys.exit(main())
