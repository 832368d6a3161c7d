"""What OpenAPI says about authentication and errors."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its metaclass is untyped
    """Names the bearer token in ``components.securitySchemes``."""

    target_class = "accounts.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:  # Any: OpenAPI
        """Return the scheme as OpenAPI 3 writes it."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # as above
    """Names the API key in ``components.securitySchemes``."""

    target_class = "accounts.authentication.KeyAuthentication"
    name = "api_key"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:  # Any: OpenAPI
        """Return the scheme as OpenAPI 3 writes it."""
        return {"type": "apiKey", "in": "header", "name": settings.API_KEY_HEADER_NAME}


class Schema(AutoSchema):
    """Says of every operation whether it needs a login; drf-spectacular is silent where none is needed."""

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Return the security requirement, an empty one for public operations."""
        return super().get_auth() if self.view.get_authenticators() else [{}]
