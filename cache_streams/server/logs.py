"""How log records become lines: for people or as JSON, with every credential blanked, wherever a library put it."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog

BLANK = "[blanked]"

# A query parameter or member that carries a credential; a header of one, in a request or in a printed mapping; an API
# key; anything of the shape of a JWT; one in base64, as a subprotocol carries it.
_CREDENTIAL = re.compile(
    r"(?P<name>\b(?:token|ticket|api_key|access_token|refresh_token|password|secret)=)[^&\s\"'<>]+"
    r"|(?P<header>\b(?:authorization|x-api-key|cookie|set-cookie)[\"']?\s*[:=,]\s*b?[\"']?)[^\"'\r\n]+"
    r"|(?P<scheme>\bBearer\s+)[A-Za-z0-9._~+/=-]+"
    r"|\bfullon_ak_[A-Za-z0-9_-]+"
    r"|\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*"
    r"|\bZXlK[A-Za-z0-9_-]{16,}",
    re.IGNORECASE,
)
_SECRET_MEMBER = re.compile(
    r"(?:.*_)?(?:token|ticket|api_key|password|secret|authorization|cookie)", re.IGNORECASE
)


def blanked(line: str) -> str:
    """Return ``line`` with every credential replaced by ``[blanked]``."""
    return _CREDENTIAL.sub(
        lambda match: f"{match['name'] or match['header'] or match['scheme'] or ''}{BLANK}", line
    )


def blank_members(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Blank what is logged under the name of a credential, and credentials inside every other value.

    Before a line is rendered, because afterwards a quote that ends a credential may also end a JSON text.
    """
    return {name: _cleaned(value, name) for name, value in event.items()}


def _cleaned(value: Any, name: str = "") -> Any:  # Any: whatever somebody logs
    if _SECRET_MEMBER.fullmatch(name.replace("-", "_")) and value is not None:
        return BLANK
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return blanked(value)
    if isinstance(value, Mapping):
        return {str(key): _cleaned(each, str(key)) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleaned(each) for each in value]
    return blanked(repr(value))


class _ForPeople(structlog.stdlib.ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return the whole text of ``record``, traceback included, without credentials."""
        return blanked(super().format(record))


def lines(style: str) -> logging.Formatter:
    """Return the formatter for ``style``: ``console`` for people, ``json`` (one object per line) for collectors.

    ``auto`` is ``console`` where somebody watches, that is when stderr is a terminal.
    """
    if style == "auto":
        style = "console" if sys.stderr.isatty() else "json"
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
    ]
    # In the formatter, so that the records of libraries pass them as well.
    if style == "json":
        last: list[structlog.typing.Processor] = [
            structlog.processors.format_exc_info,
            blank_members,
            structlog.processors.JSONRenderer(),
        ]
        return structlog.stdlib.ProcessorFormatter(processors=[*shared, *last])
    # A traceback is formatted by the renderer: the whole text is cleaned after it.
    return _ForPeople(processors=[*shared, structlog.dev.ConsoleRenderer(colors=False)])
