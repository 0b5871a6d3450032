"""A user with something of every kind, and a marker in all of it; and where a marker is still found."""

import asyncio
import json
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import Client

from accounts.models import User
from agents.tools.images import keep_image
from knowledge.intake import assistant_namespace, thread_namespace
from runs.models import Run
from tests.client import APIClient
from tests.fakes.tool_services import JPEG
from tests.integration.knowledge.conftest import read_all, store
from tests.integration.schedules.making import post_schedule
from threads.images import keep_in_thread
from threads.models import CheckpointWrite, Thread

# No word of the index over words is a part of it, and it is not stemmed.
MARKER = "zqmarkerzq"


@dataclass(frozen=True, slots=True)
class Marked:
    """What there is, by id."""

    user: User
    assistant: str
    thread: str
    documents: list[str]


def make_marked(username: str = "alice") -> Marked:
    """A user with everything: what is not read or run yet, too."""
    client = APIClient(username)
    mcp = {"type": "mcp", "config": {"url": f"https://{MARKER}.example/", "headers": {"X-Key": MARKER}}}
    config = {
        "configurable": {
            "type==agent/system_message": f"{MARKER} instruction",
            "type==agent/tools": [mcp],
        }
    }
    assistant = client.make_assistant(name=f"{MARKER} assistant", config=config, public=True)
    thread = client.make_thread(assistant, name=f"{MARKER} thread")
    client("PUT", f"/threads/{thread}", {"name": f"{MARKER} again", "assistant_id": assistant})
    said = [{"role": "user", "content": f"{MARKER} message"}, {"role": "assistant", "content": f"{MARKER} answer"}]
    for message in said:
        assert client("POST", f"/threads/{thread}/state", {"values": [message]}).status_code == 200
    asked = {"thread_id": thread, "input": said[:1], "config": {"configurable": {"x": MARKER}}}
    assert client("POST", "/runs", asked).status_code == 200
    post_schedule(client, thread, input=said[:1])
    user = User.objects.get(username=username)
    row = Thread.objects.get(pk=thread)
    CheckpointWrite.objects.create(
        thread=row, checkpoint_id="c", task_id="t", index=0, channel="x", value_type="json", value=MARKER.encode()
    )
    keep_image(JPEG + MARKER.encode(), lambda name, data: keep_in_thread(row.pk, name, data))
    of_assistant = assistant_namespace(owner=user, assistant_id=assistant)
    of_thread = thread_namespace(owner=user, thread_id=thread)
    known = [
        store(of_assistant, f"A heron. {MARKER} text.", f"{MARKER} a.txt"),
        store(of_thread, f"Another heron. {MARKER} text.", f"{MARKER} b.txt"),
    ]
    asyncio.run(read_all())
    known += [
        store(of_assistant, f"{MARKER} not read yet", f"{MARKER} c.txt"),
        store(of_thread, f"{MARKER} not read yet", f"{MARKER} d.txt"),
    ]
    return Marked(user, assistant, thread, [str(document.pk) for document in known])


def log_in(user: User) -> Client:
    """A browser in which that user is logged in to the admin."""
    client = Client()
    client.force_login(user)
    return client


def end_runs() -> None:
    """Have all runs ended."""
    Run.objects.update(status="success")


def find_marker(marker: str = MARKER) -> list[str]:
    """Where the marker is: columns of tables, files of the database and of the storage."""
    found = [f"{table}.{column}" for table, column in _columns() if _holds(table, column, marker)]
    if connection.vendor == "sqlite":
        found += _in_database_file(marker)
    media = Path(settings.MEDIA_ROOT)
    found += [str(path) for path in media.rglob("*") if path.is_file() and marker.encode() in path.read_bytes()]
    return found


def event_about(thread: str) -> tuple[uuid.UUID, uuid.UUID, list[tuple[str, dict[str, Any]]]]:
    """What is appended to an event log to have the marker in it."""
    return uuid.UUID(thread), uuid.uuid4(), [("custom", {"said": MARKER})]


def _columns() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        tables = [table.name for table in connection.introspection.get_table_list(cursor)]
        if connection.vendor == "sqlite":
            # Those behind the index over words, which Django does not list.
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = [name for (name,) in cursor.fetchall()]
        columns = []
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}" LIMIT 0')
            columns += [(table, column[0]) for column in cursor.description]
        return columns


def _holds(table: str, column: str, marker: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT "{column}" FROM "{table}"')
        return any(marker in _text(value) for (value,) in cursor.fetchall())


def _text(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("latin-1")
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _in_database_file(marker: str) -> list[str]:
    with closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = Path(str(connection.settings_dict["NAME"]))
    files = [path, path.with_name(f"{path.name}-wal")]
    return [str(file) for file in files if file.exists() and marker.encode() in file.read_bytes()]
