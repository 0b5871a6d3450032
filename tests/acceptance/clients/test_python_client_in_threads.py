"""The official Python client that is not asynchronous, over server-sent events and WebSocket."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk._sync.stream import SyncThreadStream

from tests.acceptance.clients.conftest import ADD, TEN, TEN_TOKENS
from tests.live_client import COOKIE, LiveClient
from tests.live_server import LiveServer
from tests.python_client import Transport, human, said
from tests.services import tokens
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

HEADERS = {"Cookie": f"{COOKIE}=alice"}


@contextmanager
def open_thread(
    server: LiveServer, assistant_id: str, transport: Transport, thread_id: str | None = None
) -> Iterator[SyncThreadStream]:
    with (
        get_sync_client(url=server.url, api_key=None, headers=HEADERS) as client,
        client.threads.stream(thread_id, assistant_id=assistant_id, transport=transport, headers=HEADERS) as thread,
    ):
        yield thread


def test_a_conversation(agents_server: LiveServer, client: LiveClient, chatbot: str, transport: Transport) -> None:
    with open_thread(agents_server, chatbot, transport) as thread:
        thread.run.start(input=human(TEN))
        # The deltas of a message come with those of the others: all first, and then each.
        messages = list(thread.messages)
        assert [str(message.text) for message in messages] == [TEN_TOKENS]
        assert said(thread.output) == [("human", TEN), ("ai", TEN_TOKENS)]
    # Anew: when one and the same asks for other channels, two threads of this client fight for its old stream, and the
    # new one may not be read before the old one says something.
    with open_thread(agents_server, chatbot, transport, thread.thread_id) as thread:
        thread.run.start(input=human("and you"))
        snapshots = [said(values) for values in thread.values]
        assert snapshots[-1][-1] == ("ai", "Echo: and you")
    assert client.said(thread.thread_id) == snapshots[-1]


def test_tools_and_decisions(agents_server: LiveServer, asking: str, transport: Transport) -> None:
    with open_thread(agents_server, asking, transport) as thread:
        thread.run.start(input=human(ADD))
        for _ in thread.values:
            continue
        assert thread.interrupted
        thread.run.respond({"decisions": [{"type": "approve"}]})
        # Not `tool_calls`: this client waits for ever for those of a run that was over before it began to read them.
        values = said(thread.output)
    assert [kind for kind, _ in values] == ["human", "ai", "tool", "ai"]
    assert values[2:] == [("tool", "3"), ("ai", "Echo: tool said 3")]


def test_a_failing_model(agents_server: LiveServer, chatbot: str, transport: Transport) -> None:
    with open_thread(agents_server, chatbot, transport) as thread:
        thread.run.start(input=human("FAIL:400"))
        with pytest.raises(RuntimeError, match="Run errored: The model's provider answered 400"):
            _ = thread.output


def test_coming_back(agents_server: LiveServer, client: LiveClient, transport: Transport) -> None:
    thread_id = client.make_thread(type="chatbot")
    assistant_id = client.get(f"/threads/{thread_id}")["assistant_id"]
    run_id = client.start_run(thread_id, "TOKENS:20 DELAY:50")
    # A thread whose run has not begun looks to this client as if there were nothing to wait for.
    wait_until(lambda: client.get(f"/threads/{thread_id}/state")["next"])
    with open_thread(agents_server, assistant_id, transport, thread_id) as thread:
        # Streams it opens only when it has started a run itself.
        text = tokens(20)
        assert said(thread.output) == [("human", "TOKENS:20 DELAY:50"), ("ai", text)]
    client.wait_for_run(run_id)
    with open_thread(agents_server, assistant_id, transport, thread_id) as thread:
        assert said(thread.output) == client.said(thread_id)
