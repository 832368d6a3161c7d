"""Password hashes of the replaced system: plain bcrypt, verified here and replaced at the next login."""

from __future__ import annotations

import re
from typing import Any

import bcrypt
from django.contrib.auth.hashers import BasePasswordHasher, mask_hash
from django.utils.crypto import constant_time_compare

BCRYPT_BYTES_MAX = 72  # bcrypt reads no further; the replaced system's library cut there in silence
_BARE = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")


def stored_form(bare: str) -> str:
    """Return ``bare`` (``$2b$12$…``, 60 characters) as ``User.password`` holds it. Raises ``ValueError``."""
    if not _BARE.fullmatch(bare):
        raise ValueError("A bcrypt hash looks like $2b$12$ and 53 more characters.")
    return f"{BareBcryptHasher.algorithm}${bare}"


class BareBcryptHasher(BasePasswordHasher):
    """bcrypt without Django's SHA-256 in front of it; stored as ``bcrypt_bare$$2b$12$…``. Verifies only, makes no new hashes."""

    algorithm = "bcrypt_bare"
    library = "bcrypt"

    def encode(self, password: str, salt: str) -> str:
        """Return the stored form of ``password``."""
        digest = bcrypt.hashpw(password.encode()[:BCRYPT_BYTES_MAX], salt.encode("ascii"))
        return f"{self.algorithm}${digest.decode('ascii')}"

    def decode(self, encoded: str) -> dict[str, str | int]:
        """Return the parts of a stored hash."""
        algorithm, _, bare = encoded.partition("$")
        _, _, rounds, tail = bare.split("$")
        return {"algorithm": algorithm, "work_factor": int(rounds), "salt": tail[:22], "checksum": tail[22:]}

    def verify(self, password: str, encoded: str) -> bool:
        """Return whether ``password`` made ``encoded``; a damaged hash matches nothing."""
        bare = encoded.partition("$")[2]
        return bool(_BARE.fullmatch(bare)) and constant_time_compare(encoded, self.encode(password, bare))

    def safe_summary(self, encoded: str) -> dict[Any, Any]:  # Any: as the stubs of its base declare
        """Return what the admin site may show of a hash."""
        parts = self.decode(encoded)
        return {**parts, "salt": mask_hash(str(parts["salt"])), "checksum": mask_hash(str(parts["checksum"]))}
