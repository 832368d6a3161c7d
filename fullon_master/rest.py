"""How REST answers, and what its document says of itself."""

from __future__ import annotations

from typing import Any

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.BearerAuthentication",
        "accounts.authentication.KeyAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "accounts.authentication.WithinScopes",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.request_throttles.RequestThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["accounts.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "accounts.openapi.Schema",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "accounts.negotiation.AlwaysFirstRenderer",
    "EXCEPTION_HANDLER": "accounts.errors.exception_handler",
    "NUM_PROXIES": 0,  # the client's address is found by server/forwarded.py; DRF would believe anybody's header
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}


def spectacular(
    title: str, version: str, root_path: str
) -> dict[str, Any]:  # Any: drf-spectacular's settings
    """Return what drf-spectacular is set to; ``root_path`` is where a proxy mounts the gateway, empty at the root."""
    return {
        "TITLE": title,
        "VERSION": version,
        "DESCRIPTION": "REST side of the gateway. Live data flows over WebSockets: see docs/protocol.md.",
        "OAS_VERSION": "3.1.0",
        "SERVE_INCLUDE_SCHEMA": False,
        "SERVERS": [{"url": root_path}] if root_path else [],
        "POSTPROCESSING_HOOKS": [
            "drf_spectacular.hooks.postprocess_schema_enums",
            "accounts.openapi.add_components",
            "cache_streams.rest.documented.add_payloads",
        ],
        "ENUM_NAME_OVERRIDES": {"TradeSide": ["buy", "sell"], "PositionSide": ["long", "short"]},
        "SWAGGER_UI_DIST": "SIDECAR",
        "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
        "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},  # None: send the schema to nobody
        "REDOC_DIST": "SIDECAR",
    }
