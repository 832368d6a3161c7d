"""Composition of the project: settings, URLs and the ASGI application; nothing imports this package."""
