"""Roles as groups: viewer, trader, producer, staff. Existing groups of these names keep what they have besides."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

ROLES = {
    "viewer": ("read",),
    "trader": ("read", "write", "agent_execute"),
    "producer": ("read", "publish", "publish_any"),
    "staff": ("read", "write", "agent_execute", "read_everything"),
}


def create_roles(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the groups and grant their permissions, which Django itself would only create after all migrations."""
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="accounts", model="user"
    )
    names = dict(apps.get_model("accounts", "User")._meta.permissions)
    permission_model, groups = apps.get_model("auth", "Permission"), apps.get_model("auth", "Group").objects
    for role, codenames in ROLES.items():
        group, _ = groups.get_or_create(name=role)
        for codename in codenames:
            permission, _ = permission_model.objects.get_or_create(
                content_type=content_type, codename=codename, defaults={"name": names[codename]}
            )
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_keys_and_ownership"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    # Going back leaves the groups: people may be in them.
    operations = [migrations.RunPython(create_roles, migrations.RunPython.noop)]
