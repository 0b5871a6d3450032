"""Every example of docs/API.md works as it is written, in its order, and gives what the document says."""

import ast
import json
from collections.abc import Iterator
from datetime import datetime
from itertools import dropwhile, pairwise
from typing import Any

import pytest
from django.test import override_settings

from agents.language_models import local_model
from tests.acceptance.api_md import Example, agent_config, examples
from tests.databases import new_database
from tests.live_client import LiveClient
from tests.live_server import LiveServer
from tests.services import FakeOpenAI

pytestmark = pytest.mark.acceptance

ADDRESS = "http://127.0.0.1:8100"
USER = "foo"
THREAD = "231dc7f3-33ee-4040-98fe-27f6e2aa8b2b"
LOCAL = "local model"
# The configuration that each kind of assistant is created with; None as the document has it. The document's agent
# without its tools: these have a test of their own.
KINDS: dict[str, dict[str, Any] | None] = {
    "default": None,
    "agent": {key: value for key, value in agent_config().items() if not key.endswith("/tools")},
    "ragbot": {"type": "chat_retrieval", "type==chat_retrieval/system_message": "You are a helpful assistant"},
}
# Stands in the document for what the other kinds' result shows in full.
AND_SO_ON = "[...]"
# The first example asks for the name "bar", and shows this as what comes of it.
SLIP = ("name", "string")


@pytest.fixture(scope="module")
def writing_model() -> Iterator[FakeOpenAI]:
    """A stand-in for OpenAI that writes as slowly as models do."""
    with FakeOpenAI("--tokens", "8", "--delay", "15") as server:
        yield server


@pytest.fixture(scope="module", params=["uvicorn", "daphne", pytest.param(LOCAL, marks=pytest.mark.local_model)])
def tour_server(request: pytest.FixtureRequest, writing_model: FakeOpenAI) -> Iterator[LiveServer]:
    """The server that `make run` starts: with a stand-in for OpenAI, on both web servers, and with the local model."""
    if request.param == LOCAL:
        with override_settings(LOCAL_MODEL="auto"):
            if reason := local_model.availability():
                pytest.skip(reason)
        settings = {"LOCAL_MODEL": "auto"}
    else:
        settings = writing_model.settings
    server = "uvicorn" if request.param == LOCAL else request.param
    with new_database() as url, LiveServer(url, server=server, **settings) as live:
        yield live


class Tour:
    """A walk through the document with one kind of assistant. `printed` is what its examples print."""

    def __init__(self, server: LiveServer, config: dict[str, Any] | None) -> None:
        self.client = LiveClient(server.url, USER)
        self.printed: list[Any] = []
        self._config = config
        self._is_ragbot = config is not None and config.get("type") == "chat_retrieval"
        # What stands in the document, and what our server has instead.
        self._ours = {ADDRESS: server.url}

    @property
    def thread_id(self) -> str:
        """The document's thread, on our server."""
        return self._ours[THREAD]

    def walk(self) -> None:
        """Run every example, in order, and check what it gives."""
        for example in examples():
            self._check(example, self._run(self._prepared(example)))

    def _prepared(self, example: Example) -> Example:
        """The example as this kind of assistant needs it."""
        if self._config is not None and '"configurable": {}' in example.code:
            return example.with_body(repr({"name": "bar", "config": {"configurable": self._config}, "public": True}))
        if self._is_ragbot and example.rag_request is not None:
            return example.with_body(example.rag_request)
        return example

    def _run(self, example: Example) -> Any:
        """What its last expression comes to, decoded; None if it has none. A run that it starts has ended then."""
        code = example.code
        for documented, ours in self._ours.items():
            code = code.replace(documented, ours)
        *statements, last = ast.parse(code).body
        names = {"print": self.printed.append}
        exec(compile(ast.Module(statements, []), "API.md", "exec"), names)
        if not isinstance(last, ast.Expr):
            exec(compile(ast.Module([last], []), "API.md", "exec"), names)
            return None
        answer = json.loads(eval(compile(ast.Expression(last.value), "API.md", "eval"), names))
        if isinstance(answer, dict) and "run_id" in answer:
            run = self.client.wait_for_run(answer["run_id"])
            assert run["status"] == "success", run
        return answer

    def _check(self, example: Example, answer: Any) -> None:
        """Compare an answer with what the document says."""
        literal = example.rag_result if self._is_ragbot and example.rag_result else example.result
        if literal is None:
            return
        documented = _decode(literal)
        if self._is_ragbot and example.result and AND_SO_ON in literal:
            documented["values"]["messages"] = _decode(example.result)["values"]
            answer["values"]["messages"] = [*filter(is_spoken, answer["values"]["messages"])]
        self._compare(documented, answer, "result")

    def _compare(self, documented: Any, ours: Any, where: str) -> None:
        if isinstance(documented, dict):
            for key in documented:
                assert key in ours, f"{where} has no {key}: {ours}"
                self._compare_field(documented, key, ours[key], f"{where}.{key}")
        elif isinstance(documented, list):
            assert len(documented) == len(ours), f"{where}: {ours}"
            for place, item in enumerate(documented):
                self._compare(item, ours[place], f"{where}[{place}]")
        else:
            assert documented == ours, where

    def _compare_field(self, owner: dict[str, Any], key: str, ours: Any, where: str) -> None:
        documented = owner[key]
        by_model = owner.get("type") == "ai"
        if key in ("assistant_id", "thread_id"):
            assert self._ours.setdefault(documented, ours) == ours, where
        elif key == "updated_at":
            assert datetime.fromisoformat(ours), where
        elif key == "config" and self._config is not None:
            assert ours == {"configurable": self._config}, where
        elif by_model and key == "content":
            assert isinstance(ours, str), where
            assert ours.strip(), where
        elif by_model and key == "additional_kwargs":
            # The words once more, with what the agent of LangChain's that once was noted about them.
            assert isinstance(ours, dict), where
        elif (key, documented) == SLIP:
            assert ours == "bar", where
        else:
            self._compare(documented, ours, where)


def _decode(literal: str) -> Any:
    return json.loads(ast.literal_eval(literal).decode().replace(AND_SO_ON, json.dumps(AND_SO_ON)))


def is_spoken(message: dict[str, Any]) -> bool:
    """Whether a message is not one of the steps of a RAGBot's search: its call, and what it found."""
    return message["type"] != "tool" and not message.get("tool_calls")


@pytest.mark.parametrize("kind", KINDS)
def test_the_examples_work_as_written(tour_server: LiveServer, kind: str) -> None:
    config = KINDS[kind]
    if config and not tour_server.environment["OPENAI_API_KEY"]:
        config = {key: value for key, value in config.items() if value != "GPT 3.5 Turbo"}
    tour = Tour(tour_server, config)
    tour.walk()
    # A RAGBot first says that it searches, and what it found, which is nothing: the document's loop prints that, too.
    texts = [*dropwhile(lambda printed: kind == "ragbot" and not printed, tour.printed)]
    assert_text_grows(texts)
    assert texts[-1] == tour.client.messages(tour.thread_id)[-1]["content"]


def assert_text_grows(texts: list[str]) -> None:
    """As the document shows what its loop prints: from the first on, each begins with the one before."""
    assert len(texts) > 2
    assert texts[0]
    for text, after in pairwise(texts):
        assert after.startswith(text)


@pytest.mark.parametrize("tour_server", ["uvicorn"], indirect=True)
def test_an_assistant_is_created_as_the_document_configures_it(tour_server: LiveServer) -> None:
    client = LiveClient(tour_server.url, USER)
    body = {"name": "bar", "config": {"configurable": agent_config()}, "public": True}
    assistant = client.post("/assistants", body)
    assert {key: assistant[key] for key in body} == body
    thread = client.post("/threads", {"name": "hi", "assistant_id": assistant["assistant_id"]})["thread_id"]
    assert client.wait_for_run(client.start_run(thread, "hi"))["status"] == "success"
