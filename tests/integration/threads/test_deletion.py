"""Deleting a thread while it is written to."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections
from langchain_core.messages import HumanMessage

from tests.client import APIClient
from threads.models import Message, Thread
from threads.rows import UnknownThread
from threads.state import append_messages

pytestmark = pytest.mark.django_db(transaction=True)


def test_who_writes_meanwhile_does_not_make_it_fail() -> None:
    alice = APIClient("alice")
    assistant = alice.make_assistant()
    done = threading.Event()
    thread = Thread(pk=uuid.UUID(alice.make_thread(assistant)))

    def write() -> None:
        try:
            while not done.is_set():
                try:
                    append_messages(thread=thread, messages=[HumanMessage("x")])
                except UnknownThread:
                    continue
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write) for _ in range(2)]
        try:
            for _ in range(20):
                assert alice("DELETE", f"/threads/{thread.pk}").status_code == 200
                assert (
                    alice("PUT", f"/threads/{thread.pk}", {"name": "t", "assistant_id": assistant}).status_code == 200
                )
        finally:
            done.set()
        for writer in writers:
            writer.result()
    assert alice("DELETE", f"/threads/{thread.pk}").status_code == 200
    assert not Message.objects.exists()
    connection.close()
