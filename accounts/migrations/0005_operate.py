"""The permission to see who is connected, and to close sockets; the role staff has it."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

PERMISSIONS = (
    ("read", "Read streams"),
    ("write", "Change what is theirs"),
    ("agent_execute", "Start and publish agent runs of their own"),
    ("publish", "Publish into the cache"),
    ("publish_any", "Publish agent runs for other users"),
    ("operate", "See who is connected, and close sockets"),
    ("read_everything", "Read what belongs to others, and the processes of the deployment"),
)


def grant(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the permission, which Django itself would only create after all migrations, and grant it."""
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="accounts", model="user"
    )
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type, codename="operate", defaults={"name": dict(PERMISSIONS)["operate"]}
    )
    for group in apps.get_model("auth", "Group").objects.filter(name="staff"):
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_roles")]

    operations = [
        migrations.AlterModelOptions(
            name="user", options={"ordering": ("pk",), "permissions": PERMISSIONS}
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
