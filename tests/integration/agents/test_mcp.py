"""MCP servers as tools: a real one, and ones that are not what they say."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pytest_django import Settings

from agents import graphs
from agents.config import parse_config
from agents.errors import InvalidConfig, ToolUnavailable
from agents.language_models.builtin_models import DEFAULT_LABEL
from agents.language_models.catalogue import MODELS
from agents.tools.kinds_by_url import McpConfig
from agents.tools.mcp import build
from agents.tools.remote import MAX_DESCRIPTION, MAX_RESULT, MAX_TOOLS
from agents.tools.specs import parse_tool
from agents.tools.toolset import open_tools
from tests.fakes.mcp_server import KEY, McpServer
from tests.fakes.web_server import Asked, Reply, WebServer, json_reply, redirect
from tests.services import FakeOpenAI

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def _mcp() -> Iterator[McpServer]:
    with McpServer().running() as server:
        yield server


@pytest.fixture
def mcp(_mcp: McpServer, settings: Settings) -> McpServer:
    """A real server; loopback may be called."""
    settings.OUTGOING_ALLOW = ["127.0.0.1"]
    _mcp.asked.clear()
    _mcp.elsewhere = None
    return _mcp


@pytest.fixture
def web(settings: Settings) -> Iterator[WebServer]:
    """A server for what no MCP server should do."""
    settings.OUTGOING_ALLOW = ["127.0.0.1"]
    with WebServer().running() as server:
        yield server


def config_for(server: McpServer, **more: Any) -> McpConfig:
    return McpConfig(**{"url": server.url, "headers": {"Authorization": f"Bearer {KEY}"}, **more})


async def use(tool: BaseTool, **arguments: Any) -> ToolMessage:
    """What the agent's tool node gets."""
    call = {"type": "tool_call", "id": "call-1", "name": tool.name, "args": arguments}
    message = await tool.ainvoke(call)
    assert isinstance(message, ToolMessage)
    return message


async def run(server: McpServer, tool: str, /, **arguments: Any) -> ToolMessage:
    [built] = await build(config_for(server, tools=[tool]))
    return await use(built, **arguments)


# A real server


async def test_its_tools_are_found(mcp: McpServer) -> None:
    tools = {tool.name: tool for tool in await build(config_for(mcp))}
    assert {"add", "fail", "slow"} <= tools.keys()
    function = convert_to_openai_tool(tools["add"])["function"]
    assert function["name"] == "add"
    assert function["description"] == "Adds two numbers."
    assert function["parameters"]["required"] == ["a", "b"]


async def test_a_tool_is_called(mcp: McpServer) -> None:
    message = await run(mcp, "add", a=1, b=2)
    assert (message.content, message.status, message.tool_call_id) == ("3", "success", "call-1")
    assert message.artifact == {"structured_content": {"result": 3}}


async def test_arguments_may_have_any_name(mcp: McpServer) -> None:
    assert (await run(mcp, "odd_names", config="a", run_manager="b", runtime="c")).content == "a b c"


async def test_sessions_are_closed(mcp: McpServer) -> None:
    await run(mcp, "add", a=1, b=2)
    sessions = {headers["mcp-session-id"] for _, headers in mcp.asked if "mcp-session-id" in headers}
    closed = {headers["mcp-session-id"] for method, headers in mcp.asked if method == "DELETE"}
    assert len(sessions) == 2  # one to list the tools, one to call
    assert closed == sessions


async def test_headers_are_sent_with_every_request(mcp: McpServer) -> None:
    await run(mcp, "add", a=1, b=2)
    assert {headers["authorization"] for _, headers in mcp.asked} == {f"Bearer {KEY}"}


async def test_an_error_is_the_models_to_read(mcp: McpServer) -> None:
    message = await run(mcp, "fail")
    assert message.status == "error"
    assert "the printer is on fire" in message.content


async def test_wrong_arguments_are_an_error(mcp: McpServer) -> None:
    message = await run(mcp, "add", a="one")
    assert message.status == "error"
    assert "b" in message.content


async def test_an_error_with_a_picture(mcp: McpServer) -> None:
    message = await run(mcp, "failing_picture")
    assert (message.status, message.content) == ("error", "see:\n(image, image/png)")


async def test_all_kinds_of_content(mcp: McpServer) -> None:
    message = await run(mcp, "many_kinds")
    assert message.content == (
        "a text\n(image, image/png)\n(audio, audio/wav)\nin a file\n(file, application/x-bin)\n"
        "(link to the docs: https://docs.test/a)"
    )
    kinds = [block["type"] for block in message.artifact["content"]]
    assert kinds == ["image", "audio", "resource", "resource", "resource_link"]
    assert message.artifact["content"][0]["data"].startswith("iVBOR")
    json.dumps(message.artifact)


async def test_structured_content_without_text(mcp: McpServer) -> None:
    message = await run(mcp, "structured_only")
    assert message.content == '{"temperature": 21}'
    assert message.artifact == {"structured_content": {"temperature": 21}}


async def test_no_content(mcp: McpServer) -> None:
    assert (await run(mcp, "nothing")).content == "The tool gave no content."


async def test_a_long_answer_is_cut(mcp: McpServer) -> None:
    content = str((await run(mcp, "long", length=100_000)).content)
    assert content.endswith("[cut: 100000 characters in all]")
    assert len(content) < MAX_RESULT + 100


async def test_too_long_an_answer_is_an_error_at_once(mcp: McpServer) -> None:
    begun = time.monotonic()
    message = await run(mcp, "long", length=5_000_000)
    assert (message.status, message.content) == ("error", f"127.0.0.1:{mcp.port} sent more than 4096 KiB.")
    assert time.monotonic() - begun < 10


async def test_a_slow_tool_is_an_error(mcp: McpServer) -> None:
    begun = time.monotonic()
    [slow] = await build(config_for(mcp, tools=["slow"], timeout=0.5))
    message = await use(slow, seconds=20)
    assert time.monotonic() - begun < 5
    assert message.status == "error"
    assert message.content == f"127.0.0.1:{mcp.port} did not answer within 0.5 seconds."


async def test_calls_go_on_at_once(mcp: McpServer) -> None:
    [slow] = await build(config_for(mcp, tools=["slow"]))
    begun = time.monotonic()
    await asyncio.gather(*(use(slow, seconds=0.5) for _ in range(4)))
    assert time.monotonic() - begun < 1.8


async def test_a_cancelled_call_ends(mcp: McpServer) -> None:
    [slow] = await build(config_for(mcp, tools=["slow"]))
    task = asyncio.create_task(use(slow, seconds=20))
    await asyncio.sleep(0.3)
    task.cancel()
    begun = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - begun < 5


def test_tools_work_in_another_event_loop(mcp: McpServer) -> None:
    [add] = asyncio.run(build(config_for(mcp, tools=["add"])))
    assert asyncio.run(use(add, a=1, b=2)).content == "3"


async def test_an_agent_uses_them(mcp: McpServer, openai: FakeOpenAI) -> None:
    tool = {"type": "mcp", "config": {"url": mcp.url, "headers": {"Authorization": f"Bearer {KEY}"}}}
    config = parse_config({"configurable": {"type": "agent", "type==agent/tools": [tool]}})
    graph = await graphs.open_graph(config, MODELS[DEFAULT_LABEL])
    for text, status, said in [
        ('TOOL:add {"a": 1, "b": 2}', "success", "3"),
        ("TOOL:fail {}", "error", "Error executing tool fail: the printer is on fire"),
    ]:
        state = await graph.ainvoke({"messages": [{"role": "user", "content": text}]})
        *_, result, answer = state["messages"]
        assert (result.status, result.content) == (status, said)
        assert answer.text == f"Echo: tool said {said}"


async def test_tools_of_the_same_name_are_told_apart(mcp: McpServer, web: WebServer) -> None:
    calls = []

    def call(params: Any) -> Any:
        calls.append(params)
        return {"content": []}

    other = speak(web, list={"tools": [tool_named("add")]}, call=call)
    real = {"url": mcp.url, "headers": {"Authorization": f"Bearer {KEY}"}, "tools": ["add"]}
    specs = [parse_tool({"type": "mcp", "config": config}) for config in (real, {"url": other})]
    first, second = (await open_tools(tuple(specs))).tools
    assert (first.name, second.name) == ("add", "add_2")
    assert (await use(first, a=1, b=2)).content == "3"
    await use(second, a=1)
    assert calls == [{"name": "add", "arguments": {"a": 1}}]


# What is configured


async def test_only_the_listed_tools(mcp: McpServer) -> None:
    tools = await build(config_for(mcp, tools=["slow", "add", "slow"]))
    assert [tool.name for tool in tools] == ["slow", "add"]


async def test_a_listed_tool_that_is_not_there(mcp: McpServer) -> None:
    with pytest.raises(ToolUnavailable, match=r"has no tool 'subtract'. It has: add, "):
        await build(config_for(mcp, tools=["add", "subtract"]))


@pytest.mark.parametrize("headers", [None, {"Authorization": "Bearer another-long-secret"}])
async def test_refused_credentials(mcp: McpServer, headers: dict[str, str] | None) -> None:
    with pytest.raises(ToolUnavailable, match="answered 401: it refuses the credentials") as caught:
        await build(config_for(mcp, headers=headers))
    assert "secret" not in caught.value.message


async def test_no_server_at_this_path(mcp: McpServer) -> None:
    with pytest.raises(ToolUnavailable, match="there is no MCP server at this path"):
        await build(config_for(mcp, url=mcp.url + "/nowhere"))


async def test_a_server_that_is_gone(settings: Settings) -> None:
    settings.OUTGOING_ALLOW = ["127.0.0.1"]
    with McpServer().running() as server:
        [add] = await build(config_for(server, tools=["add"]))
    message = await use(add, a=1, b=2)
    assert (message.status, message.content) == ("error", f"127.0.0.1:{server.port} could not be reached.")
    with pytest.raises(
        ToolUnavailable, match=rf"The MCP server cannot be used. 127.0.0.1:{server.port} could not be reached."
    ):
        await build(config_for(server))


async def test_an_address_that_may_not_be_called(mcp: McpServer, settings: Settings) -> None:
    settings.OUTGOING_ALLOW = []
    with pytest.raises(ToolUnavailable, match="OUTGOING_ALLOW"):
        await build(config_for(mcp))
    assert mcp.asked == []


async def test_a_redirect_to_a_forbidden_address(mcp: McpServer) -> None:
    [add] = await build(config_for(mcp, tools=["add"]))
    mcp.elsewhere = "http://169.254.169.254/mcp"
    with pytest.raises(ToolUnavailable, match="redirects elsewhere"):
        await build(config_for(mcp))
    assert (await use(add, a=1, b=2)).content == (
        f"127.0.0.1:{mcp.port} redirects elsewhere. Give the address that it redirects to."
    )


async def test_the_toolset_tells_the_user(mcp: McpServer) -> None:
    good = {"type": "mcp", "config": {"url": mcp.url, "headers": {"Authorization": f"Bearer {KEY}"}, "tools": ["add"]}}
    bad = {"type": "MCP server", "config": {"url": "http://10.0.0.1/mcp"}}
    toolset = await open_tools((parse_tool(good), parse_tool(bad)))
    assert [tool.name for tool in toolset.tools] == ["add"]
    assert len(toolset.problems) == 1
    assert "10.0.0.1 cannot be called" in toolset.problems[0]


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({}, "url: Field required"),
        ({"url": "file:///etc/passwd"}, "url: .*http:// or https://"),
        ({"url": "http://user:hunter22@a.test"}, "url: .*no user name or password"),
        ({"url": "https://a.test", "headers": {"Host": "b.test"}}, "Host cannot be set"),
        ({"url": "https://a.test", "headers": {"X": "hunter22\r\nY: z"}}, "no line breaks"),
        ({"url": "https://a.test", "timeout": 1000}, "timeout: "),
        ({"url": "https://a.test", "tool": ["add"]}, "tool: Extra"),
    ],
)
def test_a_config_that_cannot_be(config: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidConfig, match=complaint) as caught:
        parse_tool({"type": "mcp", "config": config})
    assert "hunter22" not in caught.value.message
    assert "hunter22" not in str(caught.value.__cause__)


async def test_secrets_are_kept(mcp: McpServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    config = config_for(mcp, url=f"{mcp.url}?token=in-the-address")
    tools = {tool.name: tool for tool in await build(config)}
    assert (await use(tools["leak"])).content == "your key is [hidden]"
    mcp.elsewhere = f"http://10.0.0.1/?{KEY}"
    said = [str((await use(tools["leak"])).content)]
    with pytest.raises(ToolUnavailable) as caught:
        await build(config)
    # The server logs in this process too, and may.
    logged = [record.getMessage() for record in caplog.records if not record.name.startswith("sse_starlette")]
    said += [caught.value.message, repr(config), repr(tools["leak"]), *logged]
    assert caplog.records
    for text in said:
        assert KEY not in text
        assert "in-the-address" not in text


# A server that is not what it says


Answers = dict[str, Callable[[Any], Any]]


def speak(web: WebServer, **answers: Any) -> str:
    """Answers MCP's requests: each by the method's last word, with a result or a function of the parameters."""
    results: dict[str, Any] = {
        "initialize": {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "x", "version": "1"},
        },
        **answers,
    }

    def answer(asked: Asked) -> Reply:
        if asked.method != "POST" or "id" not in asked.json:
            return Reply(status=202)
        result = results[asked.json["method"].rpartition("/")[2]]
        result = result(asked.json.get("params")) if callable(result) else result
        return (
            result
            if isinstance(result, Reply)
            else json_reply({"jsonrpc": "2.0", "id": asked.json["id"], "result": result})
        )

    return web.on("/mcp", answer)


def tool_named(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object", "properties": {}}, **more}


async def test_a_list_without_end(web: WebServer) -> None:
    pages = []

    def page(params: Any) -> Any:
        pages.append(params)
        return {"tools": [tool_named(f"tool{len(pages)}")], "nextCursor": f"{len(pages)}"}

    tools = await build(McpConfig(url=speak(web, list=page)))
    assert len(tools) == len(pages) == 20
    assert pages[1] == {"cursor": "1"}


async def test_too_many_tools(web: WebServer) -> None:
    offered = [tool_named(f"tool{number:03}") for number in range(MAX_TOOLS + 1)]
    url = speak(web, list={"tools": offered})
    with pytest.raises(
        ToolUnavailable, match=r'has 65 tools, .* Name the ones to use under "tools".* tool000, tool001'
    ):
        await build(McpConfig(url=url))
    assert len(await build(McpConfig(url=url, tools=["tool064"]))) == 1


async def test_a_list_that_is_too_big(web: WebServer) -> None:
    url = speak(web, list={"tools": [tool_named("x", description="x" * 5_000_000)]})
    begun = time.monotonic()
    with pytest.raises(ToolUnavailable, match="sent more than 4096 KiB"):
        await build(McpConfig(url=url))
    assert time.monotonic() - begun < 10


async def test_tools_are_made_fit(web: WebServer) -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(40):
        deep = {"type": "object", "properties": {"a": deep}}
    offered = [
        tool_named("weather/get now!" + "x" * 100, description="d" * 5000),
        tool_named("string", inputSchema={"type": "string"}),
        tool_named("empty", inputSchema={}),
        tool_named("list", inputSchema={"type": "object", "properties": []}),
        tool_named("deep", inputSchema=deep),
        tool_named("big", inputSchema={"type": "object", "properties": {"x" * 20_000: {}}}),
        tool_named("odd", description="a\0b"),
    ]
    called = []

    def call(params: Any) -> Any:
        called.append(params["name"])
        return {"content": []}

    url = speak(web, list={"tools": offered}, call=call)
    tools = await build(McpConfig(url=url))
    assert tools[0].name == ("weather_get_now_" + "x" * 48)
    assert len(tools[0].description) < MAX_DESCRIPTION + 100
    for tool in tools:
        parameters = convert_to_openai_tool(tool)["function"]["parameters"]
        assert parameters["type"] == "object"
        assert isinstance(parameters["properties"], dict)
        assert len(json.dumps(parameters)) < 20_000
        assert tool.args is not None
    assert tools[-1].description == "ab"
    await use(tools[0])
    assert called == [offered[0]["name"]]


async def test_an_answer_that_never_ends(web: WebServer) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}\n\n'

    def stream(params: Any) -> Reply:
        return Reply(headers={"Content-Type": "text/event-stream"}, pieces=endless(), delay=0.001)

    url = speak(web, list={"tools": [tool_named("x")]}, call=stream)
    [tool] = await build(McpConfig(url=url, timeout=1))
    begun = time.monotonic()
    message = await use(tool)
    assert time.monotonic() - begun < 6
    assert (message.status, message.content) == ("error", f"127.0.0.1:{web.port} did not answer within 1 seconds.")


async def test_a_server_does_not_write_our_log(web: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    odd = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": ["in the log"]}}
    pieces = [f"data: {json.dumps(odd)}\n\n".encode()] * 10 + [b"data: {in the log\n\n"]
    url = speak(
        web,
        list={"tools": [tool_named("x")]},
        call=lambda params: Reply(headers={"Content-Type": "text/event-stream"}, pieces=iter(pieces)),
    )
    [tool] = await build(McpConfig(url=url, timeout=2))
    assert (await use(tool)).status == "error"
    assert "in the log" not in caplog.text


async def test_an_answer_that_never_begins(web: WebServer) -> None:
    def wait(params: Any) -> Any:
        time.sleep(3)
        return {"content": []}

    [tool] = await build(McpConfig(url=speak(web, list={"tools": [tool_named("x")]}, call=wait), timeout=0.5))
    begun = time.monotonic()
    assert (await use(tool)).status == "error"
    assert time.monotonic() - begun < 2


async def test_it_is_not_opened_for_longer_than_a_call_may_take(web: WebServer) -> None:
    def wait(params: Any) -> Any:
        time.sleep(3)
        return {"tools": []}

    begun = time.monotonic()
    with pytest.raises(ToolUnavailable, match=rf"127.0.0.1:{web.port} did not answer within 0.5 seconds"):
        await build(McpConfig(url=speak(web, list=wait), timeout=0.5))
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    "reply",
    [
        Reply("<html>", headers={"Content-Type": "text/html"}),
        Reply("{", headers={"Content-Type": "application/json"}),
        json_reply({"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": "1999-01-01"}}),
        json_reply([1, 2, 3]),
        json_reply({"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": "\ud800"}}),
        Reply("data: nonsense\n\n", headers={"Content-Type": "text/event-stream"}),
        Reply(status=500),
        redirect("http://10.0.0.1/mcp", 307),
    ],
)
async def test_what_is_no_mcp_server(web: WebServer, reply: Reply) -> None:
    begun = time.monotonic()
    with pytest.raises(ToolUnavailable, match="The MCP server cannot be used"):
        await build(McpConfig(url=web.on("/mcp", reply)))
    assert time.monotonic() - begun < 2


async def test_an_error_of_the_protocol(web: WebServer) -> None:
    def error(params: Any) -> Reply:
        return json_reply({"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "no more quota" * 1000}})

    [tool] = await build(McpConfig(url=speak(web, list={"tools": [tool_named("x")]}, call=error)))
    message = await use(tool)
    assert message.status == "error"
    assert "no more quota" in message.content
    assert len(message.content) < 3000


async def test_a_schema_for_results_is_not_tried(web: WebServer) -> None:
    # An expression that takes for ever, and a reference to where nobody should ask.
    schema = {"type": "object", "properties": {"a": {"pattern": "^(a+)+$"}, "b": {"$ref": f"{web.url}/ref"}}}
    url = speak(
        web,
        list={"tools": [tool_named("x", outputSchema=schema)]},
        call={"content": [], "structuredContent": {"a": "a" * 40 + "!", "b": 1}},
    )
    [tool] = await build(McpConfig(url=url))
    begun = time.monotonic()
    assert (await use(tool)).status == "success"
    assert time.monotonic() - begun < 2
    assert {asked.target for asked in web.asked} == {"/mcp"}
