"""Makes images with OpenAI's image model, or that of another server with its API.

OpenAI retired DALL-E itself on 12 May 2026; the setting IMAGE_MODEL names what has come after it. The GPT image models
answer with the data of the image: see `agents.tools.images` for what becomes of it.
Limits: one image of 1024 x 1024 a call, 2 minutes, 16 MB.
"""

import base64
import binascii
from typing import Any

from django.conf import settings
from langchain.tools import ToolRuntime, tool
from langchain_core.tools import BaseTool

from agents.errors import ToolFailed
from agents.language_models.connections import OPENAI_URL
from agents.retrieval import RunContext
from agents.tools.findings import one_line, shorten
from agents.tools.http import Answer, Service, post
from agents.tools.images import keep_image
from agents.tools.kinds import NoConfig
from opengpts.db import in_database_thread

MAX_QUERY = 4_000  # characters
SIZE = "1024x1024"
BAD_REQUEST = 400

# Codes of OpenAI's error 400, for what its rules forbid.
_FORBIDDEN = ("moderation_blocked", "content_policy_violation")


async def build(config: NoConfig) -> list[BaseTool]:
    """See `agents.tools.kinds.ToolKind.factory`."""
    return [dall_e]


def _service() -> Service:
    return Service(
        "dall_e",
        "The image model",
        settings.OPENAI_BASE_URL or OPENAI_URL,
        timeout=120.0,
        max_bytes=16 * 1024 * 1024,
        refusals={
            401: "OpenAI does not accept the key in OPENAI_API_KEY.",
            404: f"There is no image model {settings.IMAGE_MODEL}: IMAGE_MODEL should name another.",
        },
        readable=frozenset({BAD_REQUEST}),
    )


@tool
async def dall_e(query: str, runtime: ToolRuntime[Any, Any]) -> str:
    """Make an image from a description of it. Answers with Markdown that shows the image: repeat it to the user."""
    if not query.strip():
        raise ToolFailed("The description is empty.")
    answer = await post(
        _service(),
        "/images/generations",
        headers={"authorization": f"Bearer {settings.OPENAI_API_KEY}"},
        json={
            "model": settings.IMAGE_MODEL,
            "prompt": query[:MAX_QUERY],
            "n": 1,
            "size": SIZE,
            # Of the formats the quickest to make, and a tenth of a PNG's size.
            "output_format": "jpeg",
        },
    )
    if answer.status == BAD_REQUEST:
        raise _refusal(answer)
    return f"![{_caption(query)}]({await _address(answer, runtime.context or RunContext())})"


def _refusal(answer: Answer) -> ToolFailed:
    value = answer.json()
    error = value.get("error") if isinstance(value, dict) else None
    if isinstance(error, dict) and error.get("code") in _FORBIDDEN:
        return ToolFailed("The image model does not make this image: its rules forbid it. Ask for another.")
    return ToolFailed("The image model refused the request (400).")


async def _address(answer: Answer, context: RunContext) -> str:
    value = answer.json()
    images = value.get("data") if isinstance(value, dict) else None
    image: Any = images[0] if isinstance(images, list) and images else None
    if not isinstance(image, dict):
        raise answer.nonsense()
    if isinstance(address := image.get("url"), str) and address.startswith("https://"):
        return address  # servers that still answer as DALL-E did
    try:
        data = base64.b64decode(image.get("b64_json") or "", validate=True)
    except (binascii.Error, TypeError, ValueError) as exc:
        raise answer.nonsense() from exc
    kept = await in_database_thread(keep_image, data, context.store_image)
    if kept is None:
        raise answer.nonsense()
    return kept


def _caption(query: str) -> str:
    """The description as Markdown can hold it between brackets."""
    return shorten(one_line(query).translate(str.maketrans("", "", "[]\\`<>")), 200)
