"""Logs: one line per fact on stderr; the formatter blanks tokens, wherever a library put them."""

from __future__ import annotations

from typing import Any

import structlog


def logging(level: str, style: str) -> dict[str, Any]:  # Any: what logging.config takes
    """Return the configuration of the standard library's logging."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": "cache_streams.server.logs.lines", "style": style}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django.server": {"handlers": [], "propagate": True},
            "django.request": {"level": "ERROR"},  # of refusals accounts/security_log.py says more
            # Their own lines about connections repeat the query string, where a token may stand.
            "daphne": {"level": "WARNING"},
            "uvicorn": {"level": "WARNING"},
        },
    }


def configure_structlog() -> None:
    """Let structlog write through it."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
