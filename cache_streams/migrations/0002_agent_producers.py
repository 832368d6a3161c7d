"""The group of service producers: they publish for others, and have no stream of their own."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def create_group(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create ``agent_producers`` with the one permission that it stands for."""
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name="agent_producers")
    permission = apps.get_model("auth", "Permission").objects.get(
        content_type__app_label="accounts", content_type__model="user", codename="publish_any"
    )
    group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("cache_streams", "0001_agents"),
        ("accounts", "0004_roles"),
    ]

    # Going back leaves the group: accounts may be in it.
    operations = [migrations.RunPython(create_group, migrations.RunPython.noop)]
