"""A secret is looked for wherever it could have come to: nowhere, but where it is sent."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from langsmith import Client as LangSmith
from langsmith import run_trees
from langsmith import utils as langsmith_utils

from accounts.models import User
from assistants.models import Assistant
from opengpts.db import in_database_thread
from opengpts.settings.base import LOGGING as logging_settings
from runs.ingredients import ingredients_of
from runs.models import Run
from tests.client import APIClient
from tests.fakes.mcp_server import KEY, McpServer
from tests.fakes.web_server import Asked, Reply, WebServer, json_reply
from tests.integration.runs.conftest import Build, house, model
from tests.integration.runs.house import House
from tests.integration.schedules.making import make_due, post_schedule, tick
from tests.integration.secrets.test_api import TOOLS
from tests.services import FakeOpenAI

__all__ = ["house", "model"]

pytestmark = pytest.mark.django_db(transaction=True)

MARKER = "m4rk3d-s3cr3t"
# As LangSmith has read it before.
environment: Any = langsmith_utils.get_env_var
PIECES = (MARKER, KEY)  # the second is what the MCP server wants to hear
DOCUMENT = {
    "openapi": "3.0.0",
    "servers": [{"url": "/"}],
    "paths": {"/echo": {"get": {"operationId": "echo", "responses": {"200": {"description": "what came"}}}}},
}


@pytest.fixture
def mcp() -> Iterator[McpServer]:
    with McpServer().running() as server:
        yield server


@pytest.fixture
def web() -> Iterator[WebServer]:
    """An API that repeats what it is sent, a server that fails and does the same, and a collector of traces."""

    def repeat(asked: Asked) -> Reply:
        return json_reply({"target": asked.target, "headers": asked.headers}, 500 if "broken" in asked.target else 200)

    with WebServer().running() as server:
        server.routes["/openapi.json"] = lambda asked: json_reply(DOCUMENT)
        server.routes["/echo*"] = server.routes["/broken*"] = repeat
        server.routes["/traces/*"] = lambda asked: json_reply({})
        yield server


@pytest.fixture
def traces(web: WebServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[LangSmith]:
    """LangSmith's tracing is on, and sends to `web`."""
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGSMITH_DISABLE_RUN_COMPRESSION", "true")
    environment.cache_clear()
    client = LangSmith(api_url=f"{web.url}/traces", api_key="a-key")
    monkeypatch.setattr(run_trees, "_CLIENT", client)
    yield client
    client.cleanup()
    monkeypatch.undo()
    environment.cache_clear()


def tools(mcp: McpServer, web: WebServer) -> list[Any]:
    return [
        {"type": "mcp", "config": {"url": f"{mcp.url}?key={MARKER}-1", "headers": {"Authorization": f"Bearer {KEY}"}}},
        {
            "type": "openapi",
            "config": {
                "spec_url": f"{web.url}/openapi.json?key={MARKER}-2",
                "auth": {"type": "bearer", "token": f"{MARKER}-3"},
            },
        },
        {"type": "action_server_by_sema4ai", "config": {"url": f"{web.url}/broken", "api_key": f"{MARKER}-4"}},
    ]


def everything_stored() -> str:
    """All columns of all tables; of SQLite the files, too, where deleted rows may still stand."""
    with connection.cursor() as cursor:
        found = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                found.append(" ".join(str(bytes(v) if isinstance(v, memoryview | bytes) else v) for v in row))
        if connection.vendor == "sqlite":
            name = Path(str(connection.settings_dict["NAME"]))
            found += [str(path.read_bytes()) for path in name.parent.glob(f"{name.name}*")]
    return "\n".join(found)


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """What this server would write at LOG_LEVEL=DEBUG: without the stand-ins, which are in this process, too."""
    settings: Any = logging_settings
    ours = settings["filters"]["not_mcp"]["callback"]
    records = [record for record in caplog.records if ours(record) and not record.name.startswith("sse_starlette")]
    return "\n".join(logging.Formatter().format(record) + str(record.__dict__) for record in records)


def look_at_admin(client: Client, *rows: Any) -> list[str]:
    client.force_login(User.objects.create_superuser("root", password="secret"))
    pages = []
    for row in rows:
        path = f"/admin/{row._meta.app_label}/{row._meta.model_name}/"
        for address in (path, f"{path}{row.pk}/change/", f"{path}{row.pk}/history/"):
            answer = client.get(address)
            assert answer.status_code == 200, address
            pages.append(answer.content.decode())
    return pages


async def test_a_secret_is_nowhere(
    house: Build,
    model: FakeOpenAI,
    mcp: McpServer,
    web: WebServer,
    traces: LangSmith,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    settings.OUTGOING_ALLOW = ["127.0.0.1"]
    own = {"my_api_key": f"{MARKER}-5", "deep": [{"password": f"{MARKER}-6"}]}
    override = {TOOLS: tools(mcp, web), "override_token": f"{MARKER}-7"}
    said: list[Any] = []

    async def ask(client: APIClient, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = await in_database_thread(client, method, path, body)
        said.append(answer.content.decode())
        assert answer.status_code == status, answer.content
        return answer.json()

    talk: House = await house(**{TOOLS: tools(mcp, web), **own})
    alice, bob = talk.client, APIClient("bob")
    config = {"configurable": {TOOLS: tools(mcp, web), **own}}
    body = {"name": "public", "config": config, "public": True}
    await ask(alice, "PUT", f"/assistants/{talk.assistant}", body)
    shown = await ask(alice, "GET", f"/assistants/{talk.assistant}")
    await ask(alice, "PUT", f"/assistants/{talk.assistant}", {**body, "config": shown["config"]})
    for client in (alice, bob):
        for path in ("/assistants", "/assistants/public", f"/assistants/{talk.assistant}"):
            await ask(client, "GET", path)
        await ask(client, "GET", f"/assistants/{talk.assistant}/graph")
    wrong = {TOOLS: [*tools(mcp, web), {"type": "mcp", "config": {"url": "x", "headers": {"A": f"{MARKER}-8"}}}]}
    await ask(alice, "POST", "/assistants", {"name": "wrong", "config": {"configurable": wrong}}, 422)
    await ask(alice, "PUT", f"/assistants/{talk.assistant}", {"name": "wrong", "config": {"configurable": wrong}}, 422)

    # Runs: with tools that act, one that repeats what it was sent, and one that fails; and with a run's own.
    used = 'TOOL:add {"a": 1, "b": 2} TOOL:leak {} TOOL:echo {}'
    runs = [
        await talk.run(used),
        await talk.run(used, config={"configurable": override}),
        await talk.run(used, config={"configurable": {TOOLS: shown["config"]["configurable"][TOOLS]}}),
    ]
    assert [run.status for run in runs] == ["success"] * 3
    schedule = await in_database_thread(
        lambda: post_schedule(alice, talk.thread, config={"configurable": override}, input=[])
    )
    await in_database_thread(make_due, schedule)
    assert await in_database_thread(tick) == 1
    runs.append(await talk.end_of(await in_database_thread(lambda: Run.objects.latest("created_at"))))
    for path in ("/schedules", f"/schedules/{schedule.pk}", f"/threads/{talk.thread}/runs"):
        await ask(alice, "GET", path)
    for path in ("state", "history", "branches"):
        await ask(alice, "GET", f"/threads/{talk.thread}/{path}")
    for run in runs:
        await ask(alice, "GET", f"/runs/{run.pk}")
        said += [await talk.stream(run), await talk.events(run)]
    assistant = await in_database_thread(lambda: Assistant.objects.get(pk=talk.assistant))
    said += await in_database_thread(look_at_admin, Client(), assistant, schedule, *runs)
    said += [repr(assistant), repr(schedule), repr(runs), repr((await in_database_thread(ingredients_of, runs[0]))[0])]

    # The sweep means something: it all was sent, and to whom it was for.
    sent = "\n".join(f"{asked.target} {asked.headers}" for asked in web.asked if "/traces/" not in asked.target)
    assert all(f"{MARKER}-{number}" in sent for number in (2, 3, 4)), sent
    assert any(headers.get("authorization") == f"Bearer {KEY}" for _, headers in mcp.asked)
    spoken = json.dumps(await talk.messages())
    assert all(word in spoken for word in ('"3"', "[hidden]", "Action Server"))

    traces.flush()
    traced = b"\n".join(asked.body for asked in web.asked if "/traces/" in asked.target).decode("utf-8", "replace")
    asked_of_model = str(model.requests())
    places = {
        "answers": str(said),
        "the database": await in_database_thread(everything_stored),
        "logs": logged(caplog),
        "the model": asked_of_model,
        "traces": traced,
    }
    assert "LangGraph" in places["traces"]
    assert talk.assistant.replace("-", "") in places["the database"].replace("-", "")
    assert {name: piece for name, text in places.items() for piece in PIECES if piece in text} == {}
