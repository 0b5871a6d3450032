from django.db import migrations, models


def count(apps, schema_editor):
    """Of the messages that are there already."""
    octets = "OCTET_LENGTH({})" if schema_editor.connection.vendor == "postgresql" else "LENGTH(CAST({} AS BLOB))"
    each = f"{octets.format('data')} + COALESCE({octets.format('exact')}, 0)"
    schema_editor.execute(
        f"UPDATE threads_thread SET message_bytes = COALESCE((SELECT SUM({each}) FROM threads_message"  # nosec B608  # nothing of a user's
        " WHERE threads_message.thread_id = threads_thread.id), 0)"
    )


class Migration(migrations.Migration):

    dependencies = [
        ('threads', '0004_images'),
    ]

    operations = [
        migrations.AddField(
            model_name='thread',
            name='message_bytes',
            field=models.BigIntegerField(default=0, editable=False),
        ),
        migrations.RunPython(count, migrations.RunPython.noop),
    ]
