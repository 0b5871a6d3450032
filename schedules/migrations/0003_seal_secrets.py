from django.db import migrations

from agents.config_secrets.stored_rows import reveal_rows, seal_rows


def seal(apps, schema_editor):
    seal_rows(apps.get_model("schedules", "Schedule").objects.using(schema_editor.connection.alias))


def reveal(apps, schema_editor):
    reveal_rows(apps.get_model("schedules", "Schedule").objects.using(schema_editor.connection.alias))


class Migration(migrations.Migration):
    """Encrypts the secrets in the configs that are there. Going back makes them plain text again."""

    dependencies = [("schedules", "0002_secrets")]

    operations = [migrations.RunPython(seal, reveal, elidable=True)]
