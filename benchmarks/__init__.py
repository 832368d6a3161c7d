"""Speeds and losses of the real gateway, measured from outside: over its sockets and beside its Redis."""
