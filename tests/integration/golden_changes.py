"""From an answer of the original's to the one that is ours: what the rows of `golden_differences` say."""

import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from tests.integration.golden_replay import ANY, JSON, Answer, Change, Replay
from tests.integration.golden_streams import STREAM

STREAM_TYPE = f"{STREAM}; charset=utf-8"
# Behind the label that was gpt-3.5-turbo: see `agents.language_models.builtin_models`.
MODEL_OF_TODAY = "gpt-6.1-terra"
UNUSED: dict[str, dict[str, Any]] = {"additional_kwargs": {}, "response_metadata": {}}


def becomes(status: int, body: Any, content_type: str = JSON) -> Change:
    """Another answer altogether."""
    return lambda answer, replay: Answer(status, body, content_type)


def unknown(what: str) -> Change:
    return becomes(404, {"detail": f"{what} not found"})


def invalid(type: str, loc: list[str | int], msg: str, value: Any) -> Change:
    return becomes(422, {"detail": [{"type": type, "loc": ["body", *loc], "msg": msg, "input": value}]})


def as_in(case: str) -> Change:
    """The answer that an earlier case had."""
    return lambda answer, replay: replay.golden[case]


def newest_first(answer: Answer, replay: Replay) -> Answer:
    return replace(answer, newest_first=True)


def also(place: int, case: str) -> Change:
    """One row more, which an earlier case answered."""

    def change(answer: Answer, replay: Replay) -> Answer:
        row = replay.golden[case].body
        return replace(answer, body=[*answer.body[:place], row, *answer.body[place:]])

    return change


def editing(edit: Any) -> Change:
    """The body after `edit` has been at a copy of it."""

    def change(answer: Answer, replay: Replay) -> Answer:
        body = deepcopy(answer.body)
        edit(body)
        return replace(answer, body=body)

    return change


def refused(status: int, reason: str) -> Change:
    """An error with this message."""
    return becomes(status, {"detail": reason})


def without_links(body: Any) -> None:
    for complaint in body["detail"]:
        del complaint["url"]


def nothing_is_next(body: Any) -> None:
    body["next"] = []


def model_is_next(body: Any) -> None:
    for state in body if isinstance(body, list) else [body]:
        state["next"] = ["model" if node == "agent" else node for node in state["next"]]


def messages_in(body: Any) -> list[dict[str, Any]]:
    """The list of messages in a state or a stream's summary."""
    held = body.get("values", body)
    found: list[dict[str, Any]] = held["messages"] if isinstance(held, dict) else held
    return found


def saying(*messages: dict[str, Any], before: Sequence[dict[str, Any]] = ()) -> Change:
    """With these messages at the end, and those `before` the one that was the last."""

    def edit(body: Any) -> None:
        found = messages_in(body)
        found[:] = [*found[:-1], *before, found[-1], *messages]

    return editing(edit)


def echoing(place: int) -> Change:
    """With the message before this one repeated in it."""

    def edit(body: Any) -> None:
        messages = messages_in(body)
        messages[place]["content"] = f"Echo: {messages[place - 1]['content']}"

    return editing(edit)


def metadata_of_today(body: Any) -> None:
    for state in body if isinstance(body, list) else [body]:
        for message in messages_in(state):
            if message.get("response_metadata"):
                message |= {**said_by_model(message["content"])}


def telling_where(answer: Answer, replay: Replay) -> Answer:
    """With the ids of what each text that was found is of. Which of equal texts comes first is chance."""

    def edit(body: Any) -> None:
        for message in messages_in(body):
            for found in message["content"] if isinstance(message["content"], list) else []:
                namespace = replay.ids.expected(found["metadata"]["namespace"])
                found["metadata"] |= {"namespace": namespace, "document_id": ANY, "chunk_id": ANY}
                found["page_content"] = ANY

    return editing(edit)(answer, replay)


def without_data(body: Any) -> None:
    body["messages"] = []
    body["events"].remove("data")


def fails_with(status: int, code: str, message: str) -> Change:
    error = {"status_code": status, "message": message, "code": code}
    return editing(lambda body: body.update(error=error))


def streams(*messages: dict[str, Any]) -> Change:
    """A run that works and adds these messages."""
    names = ["metadata", "data", "end"] if messages else ["metadata", "end"]
    summary = {"run_id": ANY, "messages": list(messages), "events": names, "error": None}
    return becomes(200, summary, STREAM_TYPE)


# -- Messages of ours that the original did not have --------------------------------------------------


def human(text: str) -> dict[str, Any]:
    return {"content": text, **deepcopy(UNUSED), "type": "human", "name": None, "id": ANY, "example": False}


def ai(text: str) -> dict[str, Any]:
    calls: dict[str, Any] = {"tool_calls": [], "invalid_tool_calls": [], "usage_metadata": None}
    fields = {"content": text, **deepcopy(UNUSED), "type": "ai", "name": None, "id": ANY, "example": False, **calls}
    return fields | said_by_model(text)


def said_by_model(text: str) -> dict[str, Any]:
    """What goes with a text of the fake model: it counts its pieces as tokens, and ten for every prompt."""
    pieces = len(re.findall(r"\S+\s*|\s+", text))
    usage = {"input_tokens": 10, "output_tokens": pieces, "total_tokens": 10 + pieces}
    return {
        "additional_kwargs": {},
        "response_metadata": {
            "finish_reason": "stop",
            "model_name": MODEL_OF_TODAY,
            "system_fingerprint": "fp_stub",
            "model_provider": "openai",
        },
        "usage_metadata": {**usage, "input_token_details": {}, "output_token_details": {}},
    }


def search(query: Any) -> dict[str, Any]:
    call = {"name": "retrieval", "args": {"query": query}, "id": ANY, "type": "tool_call"}
    return {**ai(""), **deepcopy(UNUSED), "tool_calls": [call], "usage_metadata": None}


def found_some() -> dict[str, Any]:
    fields = {"content": ANY, **deepcopy(UNUSED), "type": "tool", "name": "retrieval", "id": ANY}
    return {**fields, "tool_call_id": ANY, "artifact": None, "status": "success"}


def rag_turn(question: str, answer: str, query: Any = None) -> list[dict[str, Any]]:
    """One turn. The query is the question in the first of a thread; in others the model thinks of it."""
    return [human(question), search(query or question), found_some(), ai(answer)]


def rag_history(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The history of a RAGBot's first run, newest first."""
    nodes = ["__start__", "invoke_retrieval", "retrieve", "response"]
    return [
        {
            "values": {"messages": messages[:count]},
            "next": nodes[count : count + 1],
            "config": ANY,
            "parent": ANY if count else None,
        }
        for count in range(len(messages), -1, -1)
    ]
