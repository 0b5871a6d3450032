"""The actions of a Connery runner.

Its makers have taken the runner out of their repository; those that people run still answer. The runner is this
server's own setting, so it may be called wherever it is.
"""

import json
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from langchain_core.tools import BaseTool, ToolException

from agents.errors import ToolUnavailable
from agents.outgoing.client import Answer, call
from agents.outgoing.errors import OutgoingError
from agents.outgoing.transport import Limits
from agents.outgoing.urls import check_header_value, check_url, host_of
from agents.tools.kinds_by_url import ConneryConfig
from agents.tools.remote import MAX_ERROR, MAX_TOOLS, Secrets, cut, remote_tool

_LIST = Limits(seconds=15.0)
_RUN = Limits(seconds=120.0)


async def build(config: ConneryConfig) -> list[BaseTool]:
    """See `agents.tools.kinds.ToolKind.factory`."""
    try:
        runner = Runner(settings.CONNERY_RUNNER_URL, settings.CONNERY_RUNNER_API_KEY)
        actions = await runner.actions()
    except (OutgoingError, ToolException) as exc:
        raise ToolUnavailable(f"The Connery runner cannot be used. {exc}") from exc
    return [tool for action in actions[:MAX_TOOLS] if (tool := runner.tool(action))]


class Runner:
    """The API of the runner at `url`."""

    def __init__(self, url: str, key: str) -> None:
        try:
            self._url = check_url(url).rstrip("/")
            self._headers = {"x-api-key": check_header_value(key)}
        except ValueError:
            raise ToolUnavailable("CONNERY_RUNNER_URL or CONNERY_RUNNER_API_KEY is malformed.") from None
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        self._allowed = (f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}",)
        self._secrets = Secrets([key])

    async def actions(self) -> list[dict[str, Any]]:
        """The runner's actions, as it describes them. Raises `OutgoingError` and ToolException."""
        answer = await self._call("GET", "/v1/actions", _LIST)
        data = self._data(answer)
        return [action for action in data if isinstance(action, dict)] if isinstance(data, list) else []

    def tool(self, action: dict[str, Any]) -> BaseTool | None:
        """The tool for `action`; None if it has no id."""
        identity = action.get("id")
        if not isinstance(identity, str) or not identity:
            return None
        path = f"/v1/actions/{quote(identity, safe='')}/run"

        async def act(arguments: dict[str, Any]) -> tuple[str, Any]:
            # Connery has no other type than text.
            given = {name: value if isinstance(value, str) else json.dumps(value) for name, value in arguments.items()}
            answer = await self._call("POST", path, _RUN, json.dumps({"input": given}).encode())
            data = self._data(answer)
            output = data.get("output") if isinstance(data, dict) else None
            return json.dumps(output or {}, ensure_ascii=False), None

        title = str(action.get("title") or action.get("name") or identity)
        described = str(action.get("description") or "")
        description = f"{title}: {described}" if described else title
        return remote_tool(title, description, _schema(action), act, secrets=self._secrets)

    async def _call(self, method: str, path: str, limits: Limits, content: bytes | None = None) -> Answer:
        headers = {**self._headers, **({"content-type": "application/json"} if content else {})}
        return await call(
            method, self._url + path, headers=headers, content=content, limits=limits, also_allowed=self._allowed
        )

    def _data(self, answer: Answer) -> Any:
        try:
            said = json.loads(answer.body)
        except ValueError:
            said = None
        if answer.ok and isinstance(said, dict):
            return said.get("data")
        error = said.get("error") if isinstance(said, dict) else None
        message = error.get("message") if isinstance(error, dict) else None
        raise ToolException(
            self._secrets.hide(
                f"{host_of(self._url)} answered {answer.status}: {cut(str(message or 'no reason given'), MAX_ERROR)}"
            )
        )


def _schema(action: dict[str, Any]) -> dict[str, Any]:
    properties, required = {}, []
    parameters = action.get("inputParameters")
    for parameter in parameters if isinstance(parameters, list) else ():
        if not isinstance(parameter, dict) or not isinstance(parameter.get("key"), str):
            continue
        key, validation = parameter["key"], parameter.get("validation")
        described = parameter.get("description") or parameter.get("title") or parameter.get("name") or key
        properties[key] = {"type": "string", "description": str(described)}
        if isinstance(validation, dict) and validation.get("required") is True:
            required.append(key)
    return {"type": "object", "properties": properties, "required": required}
