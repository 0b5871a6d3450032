"""A PDF is uploaded, and questions are answered from it: through the public API, by each type of assistant that can."""

import json
from typing import Any

import pytest

from tests.live_client import LiveClient
from tests.live_server import LiveServer
from tests.pdf import make_pdf

pytestmark = pytest.mark.acceptance

PAGES = [
    "The ferry to Gull Island\n\nThe ferry leaves Kelp Harbour at half past eight every morning.",
    "Fares\n\nA ticket for adults costs nine euros and fifty cents. Dogs travel free of charge.",
    "The island\n\nGull Island has forty inhabitants, one school and a lighthouse from 1857.",
]


@pytest.fixture
def client(module_server: LiveServer) -> LiveClient:
    return LiveClient(module_server.url)


def test_a_ragbot_answers_from_the_page_that_says_it(client: LiveClient) -> None:
    assistant = client.make_assistant(type="chat_retrieval")
    (ids,) = client.ingest([("ferry.pdf", make_pdf(PAGES))], assistant_id=assistant)
    assert len(ids) == len(PAGES)
    thread = client.post("/threads", {"name": "t", "assistant_id": assistant})["thread_id"]
    run = client.wait_for_run(client.start_run(thread, "How much does a ticket for adults cost?"))
    assert run["status"] == "success"
    human, search, found, answer = client.messages(thread)
    assert [message["type"] for message in (human, search, found, answer)] == ["human", "ai", "tool", "ai"]
    best = found["content"][0]
    assert "nine euros" in best["page_content"]
    assert (best["metadata"]["source"], best["metadata"]["page"]) == ("ferry.pdf", 2)
    assert best["metadata"]["chunk_id"] == ids[1]


def test_an_agent_looks_it_up(client: LiveClient) -> None:
    assistant = client.make_assistant(**{"type": "agent", "type==agent/tools": [{"type": "retrieval"}]})
    thread = client.post("/threads", {"name": "t", "assistant_id": assistant})["thread_id"]
    client.ingest([("ferry.pdf", make_pdf(PAGES))], thread_id=thread)
    question = f"TOOL:retrieval {json.dumps({'query': 'inhabitants of Gull Island'})}"
    run = client.wait_for_run(client.start_run(thread, question))
    assert (run["status"], run["error"]) == ("success", None)
    *_, found, answer = client.messages(thread)
    assert found["type"] == "tool"
    assert found["content"].startswith("The island") or "forty inhabitants" in found["content"]
    assert "forty inhabitants" in answer["content"]


def test_a_question_about_nothing_known_is_answered_without_documents(client: LiveClient) -> None:
    thread = client.make_thread(type="chat_retrieval")
    assert client.wait_for_run(client.start_run(thread, "What is a heron?"))["status"] == "success"
    assert client.messages(thread)[2]["content"] == []


@pytest.mark.parametrize(("kind", "told"), [("chatbot", False), ("chat_retrieval", True)])
def test_a_public_assistant_tells_of_its_documents_only_where_its_owner_let_it(
    client: LiveClient, module_server: LiveServer, kind: str, told: bool
) -> None:
    config = {"configurable": {"type": kind}}
    made = client.post("/assistants", {"name": "a", "config": config, "public": True})
    client.ingest([("ferry.pdf", make_pdf(PAGES))], assistant_id=made["assistant_id"])
    for user in ("alice", "bob"):
        reader = LiveClient(module_server.url, user)
        thread = reader.post("/threads", {"name": "t", "assistant_id": made["assistant_id"]})["thread_id"]
        asked = {"configurable": {"type": "chat_retrieval"}}
        run = reader.post("/runs", {"thread_id": thread, "input": say("a ticket for adults?"), "config": asked})
        assert reader.wait_for_run(run["run_id"])["status"] == "success"
        found = next(message for message in messages_of(reader, thread) if message["type"] == "tool")
        assert bool(found["content"]) is (told or user == "alice")


def say(text: str) -> list[dict[str, str]]:
    return [{"type": "human", "content": text}]


def messages_of(reader: LiveClient, thread: str) -> list[dict[str, Any]]:
    # The shape of a state is that of the assistant's own type.
    values = reader.get(f"/threads/{thread}/state")["values"]
    return list(values["messages"] if isinstance(values, dict) else values)
