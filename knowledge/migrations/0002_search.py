from django.db import migrations

from knowledge import schema


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0001_initial")]

    operations = [migrations.RunPython(schema.create_rules, migrations.RunPython.noop)]
