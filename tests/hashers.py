"""Argon2 at its lowest cost, for tests that log in often."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class QuickArgon2PasswordHasher(Argon2PasswordHasher):
    """The project's preferred hasher with the least time and memory it accepts."""

    time_cost = 1
    memory_cost = 8
    parallelism = 1
