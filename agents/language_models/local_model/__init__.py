"""A small language model that needs no key and no network: SmolLM2-135M-Instruct, in a process of its own.

The processes of one machine share one process of the model. It starts on first use and ends with its owner.
"""

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from agents.errors import ModelUnavailable
from agents.language_models.local_model.weights import find_weights, obstacle

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

    from agents.language_models.local_model.supervisor import Supervisor

_OFF = "LOCAL_MODEL=off keeps the local model from running."


def availability() -> str | None:
    """Why the local model cannot run here, in a sentence; None when it can. Starts and imports nothing."""
    return _OFF if settings.LOCAL_MODEL == "off" else obstacle()


def build_local_chat_model(**overrides: Any) -> "ChatOpenAI":
    """The local model for LangChain. Nothing is started until it is used.

    It streams, answers at most 512 tokens, and reads at most 8192 with them: a longer prompt ends as openai's
    BadRequestError whose `body["type"]` is "exceed_context_size_error". `overrides` are ChatOpenAI's arguments.
    Raises `ModelUnavailable` where the model cannot run, and so do calls of the result when it does not start;
    these raise `ModelFailed` when it breaks off.
    """
    # LangChain takes a second to import, and management commands do without it.
    from agents.language_models.local_model import chat

    return chat.build(shared_supervisor(), **overrides)


def shared_supervisor() -> "Supervisor":
    """The way to the model's process, from this one. Raises `ModelUnavailable` where the model cannot run."""
    if reason := availability():
        raise ModelUnavailable(reason)
    return _supervisor_in(settings.DATA_DIR / "local-model")


def stop() -> None:
    """End the model's process if this process started it. Blocks for some milliseconds; harmless when there is none."""
    if availability() is None:
        shared_supervisor().stop()


@cache
def _supervisor_in(directory: Path) -> "Supervisor":
    # Not on a platform without fcntl, where availability() says that the model cannot run.
    from agents.language_models.local_model.supervisor import Supervisor

    # By its path, not as a module: this package imports Django, which the process must not carry.
    script = Path(__file__).with_name("server.py")
    return Supervisor(directory, [sys.executable, "-P", str(script), str(find_weights())])
