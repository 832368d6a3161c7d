"""The app's place in Django's registry."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users and their credentials."""

    name = "accounts"

    def ready(self) -> None:
        """Let the OpenAPI generator see how requests authenticate, and begin to tell of changes."""
        from accounts import openapi  # noqa: F401 - importing it is what registers the extension
        from accounts.signals import connect  # models exist only once applications are ready

        connect()
