"""The app's place in Django's registry."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users and their credentials."""

    name = "accounts"

    def ready(self) -> None:
        """Let the OpenAPI generator see how requests authenticate."""
        from accounts import openapi  # noqa: F401 - importing it is what registers the extension
