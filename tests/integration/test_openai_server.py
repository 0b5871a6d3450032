"""The stand-in for OpenAI, seen through OpenAI's own client."""

import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.services import FakeOpenAI

pytestmark = pytest.mark.once


@pytest.fixture
def client(openai_server: FakeOpenAI) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=openai_server.base_url, api_key="a-key", max_retries=0) as client:
        yield client


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def pieces(client: openai.OpenAI, text: str) -> list[str]:
    stream = client.chat.completions.create(model="gpt-4o", messages=user(text), stream=True)
    return [chunk.choices[0].delta.content or "" for chunk in stream]


def test_tokens(client: openai.OpenAI) -> None:
    assert pieces(client, "TOKENS:2 please") == ["", "tok0 ", "tok1 ", ""]


def test_an_echo_comes_word_by_word(client: openai.OpenAI) -> None:
    assert pieces(client, "hi there") == ["", "Echo: ", "hi ", "there", ""]


def test_the_answer_in_one_piece(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-4o", messages=user("hello"))
    assert answer.choices[0].message.content == "Echo: hello"
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.model, answer.system_fingerprint) == ("gpt-4o", "fp_stub")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (10, 2)


def test_usage_comes_last_where_it_was_asked_for(client: openai.OpenAI) -> None:
    options: Any = {"include_usage": True}
    *_, last = client.chat.completions.create(
        model="gpt-4o", messages=user("TOKENS:3"), stream=True, stream_options=options
    )
    assert last.usage is not None
    assert last.usage.completion_tokens == 3


def test_a_tool_call_comes_in_fragments(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="gpt-4o", messages=user('TOOL:search {"query": "birds"}'), stream=True
    )
    calls = [chunk.choices[0].delta.tool_calls for chunk in stream]
    functions = [call[0].function for call in calls if call and call[0].function]
    assert functions[0].name == "search"
    assert [function.arguments for function in functions] == ["", '{"query"', ': "birds', '"}']


def test_the_result_of_a_tool_is_told(client: openai.OpenAI) -> None:
    messages = [*user("TOOL:search {}"), {"role": "tool", "tool_call_id": "call_1", "content": "a bird"}]
    answer = client.chat.completions.create(model="gpt-4o", messages=messages)
    assert answer.choices[0].message.content == "Echo: tool said a bird"


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, openai.BadRequestError), (401, openai.AuthenticationError), (429, openai.RateLimitError)],
)
def test_a_scripted_failure(client: openai.OpenAI, status: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"Scripted failure {status}"):
        pieces(client, f"FAIL:{status}")


def test_a_delay_comes_before_each_token(client: openai.OpenAI) -> None:
    started = time.monotonic()
    pieces(client, "TOKENS:3 DELAY:50")
    assert time.monotonic() - started >= 0.15


def test_a_cut_connection(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model="gpt-4o", messages=user("RESET"), stream=True)
    assert [next(stream).choices[0].delta.content for _ in range(3)] == ["", "tok0 ", "tok1 "]
    with pytest.raises(openai.APIConnectionError):
        next(stream)


def test_garbage(client: openai.OpenAI) -> None:
    with pytest.raises(ValueError, match="Expecting property name"):
        pieces(client, "GARBAGE")


def test_a_stalled_stream_is_recorded_as_unfinished(client: openai.OpenAI, openai_server: FakeOpenAI) -> None:
    stream = client.with_options(timeout=0.2).chat.completions.create(
        model="gpt-4o", messages=user("STALL"), stream=True
    )
    with pytest.raises(openai.APITimeoutError):
        list(stream)
    assert [request["finished"] for request in openai_server.requests()] == [False]


def test_what_was_asked_is_recorded(client: openai.OpenAI, openai_server: FakeOpenAI) -> None:
    pieces(client, "hello")
    (request,) = openai_server.requests()
    assert request["authorization"] == "Bearer a-key"
    assert request["body"]["messages"] == user("hello")
    assert request["finished"]


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["gpt-3.5-turbo"]


def test_a_fixed_answer_for_benchmarks() -> None:
    with FakeOpenAI("--tokens", "4") as server, openai.OpenAI(base_url=server.base_url, api_key="k") as client:
        assert pieces(client, "FAIL:400")[1:-1] == ["tok0 ", "tok1 ", "tok2 ", "tok3 "]
