"""OpenAPI actions, Action Server and Connery as tools, against servers that answer as these do."""

import json
import logging
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pytest_django import Settings

from agents.errors import InvalidConfig, ToolUnavailable
from agents.tools import action_server, connery, openapi
from agents.tools.catalogue import available_tools
from agents.tools.kinds_by_url import ActionServerConfig, ConneryConfig, OpenApiConfig
from agents.tools.remote import MAX_RESULT
from agents.tools.specs import parse_tool
from agents.tools.toolset import open_tools
from tests.fakes.web_server import Asked, Reply, WebServer, json_reply, redirect

pytestmark = pytest.mark.once

SECRET = "a-long/secret+key"


@pytest.fixture
def web(settings: Settings) -> Iterator[WebServer]:
    """A server; loopback may be called."""
    settings.OUTGOING_ALLOW = ["127.0.0.1"]
    with WebServer().running() as server:
        yield server


@pytest.fixture
def other() -> Iterator[WebServer]:
    """Another origin."""
    with WebServer().running() as server:
        yield server


async def use(tool: BaseTool, **arguments: Any) -> ToolMessage:
    message = await tool.ainvoke({"type": "tool_call", "id": "call-1", "name": tool.name, "args": arguments})
    assert isinstance(message, ToolMessage)
    return message


def pets(server: str | None = None, **more: Any) -> dict[str, Any]:
    """An API of pets."""
    pet = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "tag": {"type": "string", "nullable": True}},
    }
    identity = {"name": "petId", "in": "path", "required": True, "schema": {"type": "string"}}
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer"}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Pets", "version": "1"},
        **({"servers": [{"url": server}]} if server else {}),
        "paths": {
            "/pets": {
                "get": {"operationId": "listPets", "summary": "Lists all pets", "parameters": [limit]},
                "post": {
                    "operationId": "createPet",
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
                    },
                },
            },
            "/pets/{petId}": {"get": {"operationId": "getPet", "parameters": [identity]}},
            "/pets/{petId}/photo": {
                "put": {
                    "operationId": "putPhoto",
                    "parameters": [identity],
                    "requestBody": {"required": True, "content": {"image/png": {}}},
                }
            },
        },
        "components": {"schemas": {"Pet": pet}},
        **more,
    }


async def build(**config: Any) -> dict[str, BaseTool]:
    return {tool.name: tool for tool in await openapi.build(OpenApiConfig(**config))}


def echo(asked: Asked) -> Reply:
    """What was asked, as JSON."""
    return json_reply(
        {"method": asked.method, "target": asked.target, "headers": asked.headers, "body": asked.body.decode()}
    )


# OpenAPI actions


async def test_operations_become_tools(web: WebServer) -> None:
    web.on("/v1/*", echo)
    tools = await build(spec=pets(f"{web.url}/v1"))
    assert list(tools) == ["listPets", "createPet", "getPet"]  # a photo cannot be put
    assert tools["listPets"].description == "Lists all pets"
    assert convert_to_openai_tool(tools["createPet"])["function"]["parameters"] == {
        "type": "object",
        "properties": {"name": {"type": "string"}, "tag": {"type": ["string", "null"]}},
        "required": ["name"],
    }
    listed = json.loads(str((await use(tools["listPets"], limit=2)).content))
    assert (listed["method"], listed["target"], listed["body"]) == ("GET", "/v1/pets?limit=2", "")
    created = json.loads(str((await use(tools["createPet"], name="Rex")).content))
    assert (created["method"], created["target"], created["body"]) == ("POST", "/v1/pets", '{"name": "Rex"}')
    assert created["headers"]["content-type"] == "application/json"


@pytest.mark.parametrize("write", [json.dumps, lambda spec: f"# YAML\n{json.dumps(spec)}"])
async def test_the_document_may_be_text(web: WebServer, write: Any) -> None:
    assert "getPet" in await build(spec=write(pets(web.url)))


async def test_the_document_may_be_fetched(web: WebServer) -> None:
    web.on("/v1/pets*", echo)
    url = web.on("/v1/openapi.json", json_reply(pets("/v1")))
    tools = await build(spec_url=url, auth={"type": "bearer", "token": SECRET})
    assert "authorization" not in web.asked[0].headers
    await use(tools["listPets"])
    assert web.asked[1].target == "/v1/pets"
    assert web.asked[1].headers["authorization"] == f"Bearer {SECRET}"


async def test_credentials_go_with_the_document_to_the_configured_server(web: WebServer) -> None:
    url = web.on("/openapi.json", json_reply(pets("https://api.test")))
    await build(spec_url=url, server_url=web.url, auth={"type": "query", "name": "key", "value": SECRET})
    assert web.asked[0].target == "/openapi.json?key=a-long%2Fsecret%2Bkey"


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        ({"type": "bearer", "token": SECRET}, "authorization", f"Bearer {SECRET}"),
        ({"type": "header", "name": "X-Api-Key", "value": SECRET}, "x-api-key", SECRET),
        (
            {"type": "basic", "username": "me", "password": SECRET},
            "authorization",
            f"Basic {b64encode(f'me:{SECRET}'.encode()).decode()}",
        ),
    ],
)
async def test_credentials_in_headers(web: WebServer, auth: Any, name: str, value: str) -> None:
    web.on("/*", echo)
    tools = await build(spec=pets(web.url), auth=auth)
    message = await use(tools["listPets"])
    assert web.asked[0].headers[name] == value
    # The server repeats them; nobody sees that.
    assert SECRET not in str(message.content)
    assert "[hidden]" in str(message.content)
    assert b64encode(f"me:{SECRET}".encode()).decode() not in str(message.content)


async def test_credentials_in_the_query(web: WebServer) -> None:
    web.on("/*", lambda asked: Reply(echo(asked).body, 400))
    spec = pets(web.url)
    spec["paths"]["/pets"]["get"]["parameters"].append({"name": "key", "in": "query", "schema": {}})
    tools = await build(spec=spec, auth={"type": "query", "name": "key", "value": SECRET})
    message = await use(tools["listPets"], limit=1, key="from the model")
    assert web.asked[0].target == "/pets?limit=1&key=a-long%2Fsecret%2Bkey"
    assert "secret" not in str(message.content)


async def test_credentials_do_not_go_to_another_server(web: WebServer, other: WebServer) -> None:
    other.on("/*", echo)
    url = web.on("/openapi.json", json_reply(pets(other.url)))
    auth = {"type": "bearer", "token": SECRET}
    with pytest.raises(ToolUnavailable, match=f"names another server, 127.0.0.1:{other.port}.*server_url"):
        await build(spec_url=url, auth=auth)
    assert "getPet" in await build(spec_url=url)
    assert "getPet" in await build(spec_url=url, auth=auth, server_url=other.url)
    assert "authorization" not in "".join(str(asked.headers) for asked in web.asked)


async def test_nor_by_a_redirect(web: WebServer, other: WebServer) -> None:
    other.on("/*", echo)
    web.on("/pets", redirect(f"{other.url}/stolen"))
    tools = await build(spec=pets(web.url), auth={"type": "header", "name": "X-Api-Key", "value": SECRET})
    await use(tools["listPets"])
    assert other.asked[0].target == "/stolen"
    assert "x-api-key" not in other.asked[0].headers
    message = await use(tools["createPet"], name="Rex")
    assert (message.status, message.content) == (
        "error",
        f"127.0.0.1:{web.port} redirects elsewhere. Give the address that it redirects to.",
    )


async def test_the_model_cannot_choose_the_path(web: WebServer) -> None:
    web.on("/*", echo)
    tools = await build(spec=pets(f"{web.url}/v1"))
    message = await use(tools["getPet"], petId="../../admin")
    assert (message.status, message.content) == ("error", "The argument petId cannot stand in an address.")
    await use(tools["getPet"], petId="//evil.test/x?y#z")
    assert [asked.target for asked in web.asked] == ["/v1/pets/%2F%2Fevil.test%2Fx%3Fy%23z"]
    assert (await use(tools["getPet"])).content == "The argument petId is missing."


@pytest.mark.parametrize(
    ("reply", "status", "content"),
    [
        (json_reply({"a": "ü"}), "success", '{"a": "\\u00fc"}'),
        (Reply("words", headers={"Content-Type": "text/plain"}), "success", "words"),
        (Reply("words"), "success", "words"),
        (Reply(b"\x89PNG", headers={"Content-Type": "image/png"}), "success", "(4 bytes, image/png)"),
        (Reply(status=204), "success", "(status 204, no content)"),
        (Reply("a\0b", headers={"Content-Type": "text/plain"}), "success", "ab"),
        (json_reply({"detail": "no such pet"}, 404), "error", 'The server answered 404: {"detail": "no such pet"}'),
        (Reply(status=500), "error", "The server answered 500: (nothing)"),
        (Reply(status=304), "error", "The server answered 304: (nothing)"),
    ],
)
async def test_answers(web: WebServer, reply: Reply, status: str, content: str) -> None:
    web.on("/pets", reply)
    message = await use((await build(spec=pets(web.url)))["listPets"])
    assert (message.status, message.content) == (status, content)


async def test_long_answers_are_cut(web: WebServer) -> None:
    web.on("/pets", Reply("x" * 100_000))
    tools = await build(spec=pets(web.url))
    content = str((await use(tools["listPets"])).content)
    assert content.endswith("[cut: 100000 characters in all]")
    assert len(content) < MAX_RESULT + 100
    web.on("/pets", Reply("x" * 100_000, 500))
    assert len((await use(tools["listPets"])).content) < 2_200
    web.on("/pets", Reply("x" * 5_000_000))
    assert (await use(tools["listPets"])).content == f"127.0.0.1:{web.port} sent more than 4096 KiB."


async def test_a_slow_answer(web: WebServer) -> None:
    web.on("/pets", Reply(pieces=iter([b"x"] * 100), delay=0.1))
    tools = await build(spec=pets(web.url), timeout=0.3)
    message = await use(tools["listPets"])
    assert (message.status, message.content) == ("error", f"127.0.0.1:{web.port} did not answer in time.")


async def test_an_address_that_may_not_be_called(web: WebServer) -> None:
    tools = await build(spec=pets("http://169.254.169.254"))
    message = await use(tools["listPets"])
    assert message.status == "error"
    assert "OUTGOING_ALLOW" in message.content
    with pytest.raises(ToolUnavailable, match=r"The OpenAPI document cannot be read.*OUTGOING_ALLOW"):
        await build(spec_url="http://169.254.169.254/openapi.json")


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (Reply(status=404), "answered 404"),
        (Reply("<html>"), "neither JSON nor YAML|no object"),
        (json_reply({"swagger": "2.0"}), "Swagger 2"),
        (json_reply({"openapi": "3.1.0", "paths": {}}), "no operation that can be called"),
        (redirect("http://10.0.0.1/"), "OUTGOING_ALLOW"),
        (Reply(bytes(17 * 1024 * 1024)), "sent more than"),
    ],
)
async def test_no_document(web: WebServer, reply: Reply, complaint: str) -> None:
    with pytest.raises(ToolUnavailable, match=complaint):
        await build(spec_url=web.on("/openapi.json", reply))


async def test_operations_are_chosen(web: WebServer) -> None:
    assert list(await build(spec=pets(web.url), operations=["getPet", "listPets"])) == ["getPet", "listPets"]
    with pytest.raises(ToolUnavailable, match=r"no operation 'feedPet'. It has, among others: listPets, createPet"):
        await build(spec=pets(web.url), operations=["feedPet"])
    with pytest.raises(ToolUnavailable, match=r"The operation putPhoto takes a body of the type image/png"):
        await build(spec=pets(web.url), operations=["putPhoto"])


async def test_too_many_operations(web: WebServer) -> None:
    spec = pets(web.url, paths={f"/p{number}": {"get": {}} for number in range(65)})
    with pytest.raises(ToolUnavailable, match=r'has 65 operations.*under "operations"'):
        await build(spec=spec)
    assert list(await build(spec=spec, operations=["get_p64"])) == ["get_p64"]


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({}, "either spec or spec_url"),
        ({"spec": {}, "spec_url": "https://a.test"}, "either spec or spec_url"),
        ({"spec_url": "file:///etc/passwd"}, "spec_url: "),
        ({"spec": {}, "auth": {"type": "digest", "value": SECRET}}, "auth: .*digest"),
        ({"spec": {}, "auth": {"type": "bearer", "token": f"{SECRET}\n"}}, "auth.bearer.token: "),
        ({"spec": {}, "auth": {"type": "header", "name": "Host", "value": SECRET}}, "Host cannot be set"),
        ({"spec": {}, "server_url": f"https://me:{SECRET}@a.test"}, "server_url: "),
    ],
)
def test_a_config_that_cannot_be(config: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidConfig, match=complaint) as caught:
        parse_tool({"type": "openapi", "config": config})
    assert SECRET not in caught.value.message + str(caught.value.__cause__)


async def test_secrets_are_kept(web: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    web.on("/*", echo)
    config = OpenApiConfig(spec=pets(web.url), auth={"type": "query", "name": "key", "value": SECRET})  # type: ignore[arg-type]
    tools = await openapi.build(config)
    await use(tools[0])
    assert web.asked[0].target.endswith("key=a-long%2Fsecret%2Bkey")
    for text in (repr(config), str(config), repr(tools), caplog.text):
        assert "secret+key" not in text
        assert "secret%2Bkey" not in text


# Action Server


def action(operation: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    """An action as the Action Server describes it."""
    return {
        "post": {
            "summary": operation.title(),
            "description": description,
            "operationId": operation,
            "requestBody": {"content": {"application/json": {"schema": schema}}, "required": True},
            "responses": {"200": {"description": "Successful Response"}},
            "security": [{"HTTPBearer": []}],
            "x-operation-kind": "action",
        }
    }


GREET = {
    "properties": {
        "name": {"type": "string", "title": "Name", "description": "The name of the person to greet."},
        "title": {"type": "string", "title": "Title", "description": "The title.", "default": "Mr."},
    },
    "type": "object",
    "required": ["name"],
}


def serve_actions(web: WebServer, root: str = "") -> str:
    """An Action Server at `root`."""
    web.on(
        f"{root}/openapi.json",
        json_reply(
            {
                "openapi": "3.1.0",
                "info": {"title": "Sema4.ai Action Server", "version": "2.0.0"},
                # What it believes to be its address: not where the user reaches it.
                "servers": [{"url": "http://localhost:8080"}],
                "paths": {
                    "/api/actions/greeter/greet/run": action("greet", GREET, "Provides a greeting for a person."),
                    "/api/actions/greeter/broken/run": action(
                        "broken", {"type": "object", "properties": {}}, "Breaks."
                    ),
                    "/api/actions/greeter/respond/run": action(
                        "respond", {"type": "object", "properties": {}}, "Asks."
                    ),
                    "/api/runs": {"get": {"operationId": "list_runs_api_runs_get"}},
                    "/api/secrets": {"post": {"operationId": "set_secrets_api_secrets_post"}},
                },
            }
        ),
    )

    def greet(asked: Asked) -> Reply:
        if asked.headers.get("authorization") != f"Bearer {SECRET}":
            return json_reply({"error_code": "internal-error", "message": "Invalid or missing API Key"}, 403)
        if not isinstance(asked.json.get("name"), str):
            return json_reply({"error_code": "validation-error", "message": "'name' is a required property"}, 422)
        return json_reply(f"Hello {asked.json.get('title', 'Mr.')} {asked.json['name']}.")

    error = {"error_code": "internal-error", "message": "Error in action: division by zero"}
    web.on(f"{root}/api/actions/greeter/greet/run", greet)
    web.on(f"{root}/api/actions/greeter/broken/run", json_reply(error, 500))
    web.on(f"{root}/api/actions/greeter/respond/run", json_reply({"result": None, "error": "There is no such city."}))
    return web.url + root


async def actions(url: str, key: str = SECRET) -> dict[str, BaseTool]:
    return {tool.name: tool for tool in await action_server.build(ActionServerConfig(url=url, api_key=key))}  # type: ignore[arg-type]


@pytest.mark.parametrize(("root", "slash"), [("", ""), ("", "/"), ("/tenants/7", ""), ("/tenants/7", "/")])
async def test_actions(web: WebServer, root: str, slash: str) -> None:
    tools = await actions(serve_actions(web, root) + slash)
    assert list(tools) == ["greet", "broken", "respond"]
    assert "Provides a greeting for a person." in tools["greet"].description
    parameters = convert_to_openai_tool(tools["greet"])["function"]["parameters"]
    assert parameters["properties"]["title"]["default"] == "Mr."
    assert parameters["required"] == ["name"]
    message = await use(tools["greet"], name="Doe", title="Dr.")
    assert (message.status, message.content) == ("success", '"Hello Dr. Doe."')
    assert web.asked[-1].target == f"{root}/api/actions/greeter/greet/run"


async def test_errors_of_actions(web: WebServer) -> None:
    tools = await actions(serve_actions(web))
    for message, said in [
        (await use(tools["greet"]), "422: .*'name' is a required property"),
        (await use(tools["broken"]), "500: .*Error in action: division by zero"),
        (await use(tools["respond"]), "^There is no such city.$"),
    ]:
        assert message.status == "error"
        assert re.search(said, str(message.content))


async def test_a_wrong_key(web: WebServer) -> None:
    for key in ("another-long-secret", ""):
        tools = await actions(serve_actions(web), key)
        message = await use(tools["greet"], name="Doe")
        assert message.status == "error"
        assert "403" in message.content
        assert "Invalid or missing API Key" in message.content


async def test_no_action_server(web: WebServer) -> None:
    with pytest.raises(ToolUnavailable, match="answered 404"):
        await actions(web.url)
    web.on("/openapi.json", json_reply(pets()))
    with pytest.raises(ToolUnavailable, match="has no actions"):
        await actions(web.url)
    with pytest.raises(ToolUnavailable, match="OUTGOING_ALLOW"):
        await actions("http://10.0.0.1:8080")


# Connery


def serve_connery(web: WebServer) -> None:
    """A Connery runner."""

    def checked(reply: Reply, asked: Asked) -> Reply:
        error = {"status": "error", "error": {"message": "API key is not valid."}}
        return reply if asked.headers.get("x-api-key") == SECRET else json_reply(error, 401)

    described = {
        "status": "success",
        "data": [
            {
                "id": "CAABC/1",
                "key": "sendEmail",
                "title": "Send email",
                "description": "Sends an email.",
                "type": "create",
                "inputParameters": [
                    {
                        "key": "to",
                        "title": "To",
                        "description": "Who",
                        "type": "string",
                        "validation": {"required": True},
                    },
                    {"key": "body", "title": "Body", "type": "string", "validation": {}},
                ],
                "outputParameters": [{"key": "messageId", "title": "Message ID", "type": "string"}],
                "pluginId": "gmail",
            },
            {"id": "NOTHING", "title": "Do nothing", "inputParameters": []},
            {"title": "without an id"},
        ],
    }

    def run(asked: Asked) -> Reply:
        given = asked.json["input"]
        if not given.get("to"):
            message = (
                "[Input validation error] Input parameter 'to' is required, but the value is empty or not provided."
            )
            return json_reply({"status": "error", "error": {"message": message}}, 500)
        return json_reply(
            {"status": "success", "data": {"output": {"messageId": f"{given}"}, "used": {"input": given}}}
        )

    web.on("/v1/actions", lambda asked: checked(json_reply(described), asked))
    web.on("/v1/actions/CAABC%2F1/run", lambda asked: checked(run(asked), asked))
    web.on("/v1/actions/NOTHING/run", json_reply({"status": "success", "data": {"output": None}}))


@pytest.fixture
def runner(web: WebServer, settings: Settings) -> WebServer:
    """A Connery runner that the settings name, and OUTGOING_ALLOW does not."""
    serve_connery(web)
    settings.OUTGOING_ALLOW = []
    settings.CONNERY_RUNNER_URL = web.url
    settings.CONNERY_RUNNER_API_KEY = SECRET
    return web


async def connery_tools() -> dict[str, BaseTool]:
    return {tool.name: tool for tool in await connery.build(ConneryConfig())}


async def test_connerys_actions(runner: WebServer) -> None:
    tools = await connery_tools()
    assert list(tools) == ["Send_email", "Do_nothing"]
    assert tools["Send_email"].description == "Send email: Sends an email."
    parameters = convert_to_openai_tool(tools["Send_email"])["function"]["parameters"]
    assert parameters == {
        "type": "object",
        "properties": {
            "to": {"type": "string", "description": "Who"},
            "body": {"type": "string", "description": "Body"},
        },
        "required": ["to"],
    }
    message = await use(tools["Send_email"], to="me@a.test", body=5)
    assert json.loads(str(message.content)) == {"messageId": "{'to': 'me@a.test', 'body': '5'}"}
    assert (await use(tools["Do_nothing"])).content == "{}"


async def test_connerys_errors(runner: WebServer, settings: Settings) -> None:
    tools = await connery_tools()
    message = await use(tools["Send_email"])
    assert message.status == "error"
    assert "answered 500: [Input validation error] Input parameter 'to' is required" in message.content
    settings.CONNERY_RUNNER_API_KEY = "another-long-secret"
    with pytest.raises(ToolUnavailable, match=r"The Connery runner cannot be used. .* 401: API key is not valid."):
        await connery_tools()
    runner.on("/v1/actions", Reply("<html>"))
    with pytest.raises(ToolUnavailable, match="answered 200: no reason given"):
        await connery_tools()


async def test_the_runner_is_the_only_exception(runner: WebServer, other: WebServer) -> None:
    runner.on("/v1/actions", redirect(f"{other.url}/"))
    with pytest.raises(ToolUnavailable, match="OUTGOING_ALLOW"):
        await connery_tools()
    assert other.connections == 0


async def test_connery_without_a_runner(settings: Settings) -> None:
    settings.CONNERY_RUNNER_URL = settings.CONNERY_RUNNER_API_KEY = ""
    toolset = await open_tools((parse_tool("AI Action Runner by Connery"),))
    assert toolset.problems == ("AI Action Runner by Connery needs CONNERY_RUNNER_URL and CONNERY_RUNNER_API_KEY.",)
    settings.CONNERY_RUNNER_URL, settings.CONNERY_RUNNER_API_KEY = "localhost:4201", "key"
    with pytest.raises(ToolUnavailable, match="malformed"):
        await connery_tools()


def test_they_are_in_the_catalogue() -> None:
    listed = {status.type: status for status in available_tools()}
    assert listed["mcp"].available
    assert listed["openapi"].available
    assert listed["action_server_by_sema4ai"].name == "Action Server by Sema4.ai"
    assert not listed["ai_action_runner_by_connery"].available
