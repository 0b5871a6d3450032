"""The actions of a Sema4.ai Action Server.

It describes them in `openapi.json`, each as a POST below `/api/actions`. An action that returns a `Response` answers
200 with `{"result": …, "error": …}`, whichever it was.
"""

import asyncio
import json

from langchain_core.tools import BaseTool, ToolException

from agents.errors import ToolUnavailable
from agents.openapi.documents import read_document
from agents.openapi.operations import list_entries
from agents.outgoing.client import Answer
from agents.outgoing.urls import base_of, host_of
from agents.tools.kinds_by_url import ActionServerConfig, BearerAuth
from agents.tools.openapi import Api, read_answer
from agents.tools.remote import MAX_TOOLS

_ACTIONS = "/api/actions/"
# Actions are programs, and may take their time.
_SECONDS = 120.0


async def build(config: ActionServerConfig) -> list[BaseTool]:
    """See `agents.tools.kinds.ToolKind.factory`."""
    key = config.api_key.get_secret_value()
    server = base_of(config.url)
    api = Api(BearerAuth(type="bearer", token=config.api_key) if key else None, _SECONDS, [config.url])
    text = await api.fetch_document(f"{server}/openapi.json", with_credentials=True)
    document = await asyncio.to_thread(read_document, text)
    entries = [entry for entry in list_entries(document) if entry.method == "post" and entry.path.startswith(_ACTIONS)]
    if not entries:
        raise ToolUnavailable(f"The Action Server at {host_of(server)} has no actions.")
    if len(entries) > MAX_TOOLS:
        raise ToolUnavailable(
            f"The Action Server at {host_of(server)} has {len(entries)} actions, and an assistant may have {MAX_TOOLS}."
        )
    return api.tools(document, entries, server, reader=_read)


def _read(answer: Answer) -> str:
    text = read_answer(answer)
    try:
        said = json.loads(text)
    except ValueError:
        return text
    if isinstance(said, dict) and said and said.keys() <= {"result", "error"} and said.get("error"):
        raise ToolException(str(said["error"]))
    return text
