"""How log records become lines: console or JSON, with every credential blanked, wherever a library put it."""

import logging
import re

import structlog

# A query parameter that carries a credential; a bearer header; anything of the shape of a JWT; one in base64, as a
# subprotocol carries it.
_CREDENTIAL = re.compile(
    r"(?P<name>\b(?:token|ticket|api_key|access_token|password)=)[^&\s\"'<>]+"
    r"|(?P<scheme>\bBearer\s+)[A-Za-z0-9._~+/=-]+"
    r"|\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*"
    r"|\bZXlK[A-Za-z0-9_-]{16,}",
    re.IGNORECASE,
)


def blanked(line: str) -> str:
    """Return ``line`` with every credential replaced by ``[blanked]``."""
    return _CREDENTIAL.sub(lambda match: f"{match['name'] or match['scheme'] or ''}[blanked]", line)


class _Lines(structlog.stdlib.ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return the whole text of ``record``, traceback included, without credentials."""
        return blanked(super().format(record))


def lines(style: str) -> logging.Formatter:
    """Return the formatter for ``style``: ``console`` for people, ``json`` (one object per line) for collectors."""
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    exceptions = [structlog.processors.format_exc_info] if style == "json" else []
    return _Lines(
        processors=[  # in the formatter, so that the records of libraries pass them as well
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *exceptions,
            last,
        ],
    )
