"""What a client is told when a model does not answer, with the errors that the real client raises."""

import asyncio
from dataclasses import replace

import pytest
from langchain_core.messages import HumanMessage
from pytest_django import Settings

from agents import graphs
from agents.errors import ModelUnavailable
from agents.language_models import model_errors
from agents.language_models.builtin_models import DEFAULT_LABEL
from agents.language_models.catalogue import MODELS
from agents.language_models.chat_models import build_model
from agents.language_models.model_errors import explain
from tests.integration.agents.conftest import ThreadMaker
from tests.services import FakeOpenAI, free_port

pytestmark = pytest.mark.once

ALL_TYPES = ["agent", "chatbot", "chat_retrieval"]


async def failure(thread: ThreadMaker, text: str, kind: str = "agent") -> BaseException:
    """The error that a run with this message ends with."""
    with pytest.raises(Exception) as raised:  # noqa: PT011
        await thread(type=kind).run(text)
    return raised.value


@pytest.mark.parametrize("kind", ALL_TYPES)
@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("FAIL:400", "model_failed", "The model's provider answered 400: it refused the request."),
        ("FAIL:401", "model_unavailable", "The model's provider answered 401: check OPENAI_API_KEY."),
        ("FAIL:403", "model_unavailable", "The model's provider answered 403: OPENAI_API_KEY may not use this model."),
        ("FAIL:404", "model_unavailable", "The model's provider answered 404: it does not know this model. "),
        ("FAIL:422", "model_failed", "The model's provider answered 422: it refused the request."),
    ],
)
async def test_a_refusal(kind: str, text: str, code: str, message: str, thread: ThreadMaker) -> None:
    error = explain(await failure(thread, text, kind))
    assert error is not None
    assert error.code == code
    assert error.message.startswith(message)
    assert "Scripted" not in error.message  # the provider's own words


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FAIL:429", "The model's provider answered 429: too many requests. Try again in a while."),
        ("FAIL:500", "The model's provider answered 500: it has a problem of its own. Try again in a while."),
        ("FAIL:503", "The model's provider answered 503: it has a problem of its own. Try again in a while."),
        ("RESET", model_errors.BROKEN_OFF),
        ("GARBAGE", model_errors.UNREADABLE),
    ],
)
async def test_a_failure(text: str, message: str, thread: ThreadMaker) -> None:
    error = explain(await failure(thread, text))
    assert error is not None
    assert (error.code, error.message) == ("model_failed", message)


async def test_a_provider_that_is_not_there(settings: Settings, thread: ThreadMaker) -> None:
    settings.OPENAI_BASE_URL = f"http://127.0.0.1:{free_port()}/v1"
    graphs.clear_cache()
    error = explain(await failure(thread, "hi"))
    assert error is not None
    assert (error.code, error.message) == (
        "model_unavailable",
        model_errors.UNREACHABLE.format(base_url="OPENAI_BASE_URL"),
    )


async def test_a_provider_that_falls_silent(openai: FakeOpenAI) -> None:
    model = build_model(MODELS[DEFAULT_LABEL]).model_copy(update={"stream_chunk_timeout": 0.2})
    with pytest.raises(TimeoutError) as raised:
        await model.ainvoke("STALL")
    error = explain(raised.value)
    assert error is not None
    assert (error.code, error.message) == ("model_failed", model_errors.TIMED_OUT)


@pytest.mark.parametrize("block", [{"type": "video", "url": "https://a.test/v"}, {"type": "image", "file_id": "f"}])
async def test_what_a_model_cannot_be_sent(block: dict[str, str], openai: FakeOpenAI) -> None:
    with pytest.raises(ValueError, match=r"not supported|[Uu]nsupported") as raised:
        await build_model(MODELS[DEFAULT_LABEL]).ainvoke([HumanMessage([block])])
    error = explain(raised.value)
    assert error is not None
    assert (error.code, error.message) == ("model_failed", model_errors.UNSENDABLE)


async def test_a_parameter_that_is_misspelt(openai: FakeOpenAI) -> None:
    entry = replace(MODELS[DEFAULT_LABEL], options='{"temprature": 0}')
    with pytest.raises(TypeError) as raised, pytest.warns(UserWarning, match="temprature"):
        await build_model(entry).ainvoke("hello")
    error = explain(raised.value, entry)
    assert error is not None
    assert (error.code, error.message) == ("model_unavailable", model_errors.NOT_TAKEN)


def test_other_errors_are_not_explained() -> None:
    for error in [ValueError("x"), TimeoutError(), asyncio.CancelledError(), ConnectionError()]:
        assert explain(error) is None


def test_an_error_for_clients_is_left_as_it_is() -> None:
    error = ModelUnavailable("No model.")
    assert explain(error) is error
