"""The Chromium that the browser tests drive: the machine's own, named by ``CHROMIUM`` or found on PATH."""

from __future__ import annotations

import os
import shutil

NO_CHROMIUM = "there is no Chromium on PATH. Install it (on Debian: apt install chromium), or name it: CHROMIUM=/path/to/chromium"
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


class ChromiumNotFoundError(Exception):
    """``CHROMIUM`` names no program that runs."""


def chromium_path() -> str | None:
    """Return where Chromium is; None when this machine has none. Raises: ChromiumNotFoundError.

    Not ``BROWSER``: desktops set that to whatever opens links, often no Chromium.
    """
    named = os.environ.get("CHROMIUM")
    if not named:
        return next(filter(None, map(shutil.which, _NAMES)), None)
    found = shutil.which(named)
    if found is None:
        raise ChromiumNotFoundError(f"CHROMIUM={named} names no program that can be run.")
    return found
