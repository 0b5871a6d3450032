"""Tools of one's own, as the setting TOOLS names them."""

import subprocess
import sys
import threading
from collections.abc import AsyncIterator

import pytest
from django.core.checks import run_checks
from langchain_core.tools import tool
from pytest_django import Settings

from agents import checks
from agents.tools import toolset
from agents.tools.catalogue import available_tools
from agents.tools.specs import ToolSpec, parse_tool
from agents.tools.toolset import open_tools

pytestmark = pytest.mark.once

HERE = __name__


@tool
def shout(text: str) -> str:
    """Say it louder."""
    return text.upper()


@tool("whisper_softly")
def whisper(text: str) -> str:
    """Say it lower."""
    return text.lower()


BOTH = [shout, whisper]
nothing: list[str] = []
number = 7


async def wait(times: int = 1) -> str:
    """Wait a while.

    In the loop of the server.
    """
    return f"{times} in {threading.current_thread().name}"


def block() -> str:
    """Block a thread."""
    return threading.current_thread().name


def mute(text: str) -> str:
    return text


if number:

    def hidden() -> None:
        """Stands within an if."""


wikipedia = shout


@pytest.fixture(autouse=True)
async def forget() -> AsyncIterator[None]:
    toolset.clear_cache()
    yield
    await toolset.aclose()


def own(settings: Settings, *names: str) -> tuple[ToolSpec, ...]:
    settings.TOOLS = [f"{HERE}.{name}" for name in names]
    return tuple(ToolSpec(name) for name in names)


async def test_each_form_of_a_tool_acts(settings: Settings) -> None:
    opened = await open_tools(own(settings, "shout", "BOTH", "wait", "block", "hidden"))
    assert opened.problems == ()
    names = [tool.name for tool in opened.tools]
    assert names == ["shout", "shout_2", "whisper_softly", "wait", "block", "hidden"]
    by_name = dict(zip(names, opened.tools, strict=True))
    assert await by_name["shout"].ainvoke({"text": "hello"}) == "HELLO"
    here = threading.current_thread().name
    assert await by_name["wait"].ainvoke({"times": 2}) == f"2 in {here}"
    assert await by_name["block"].ainvoke({}) != here
    assert by_name["wait"].args == {"times": {"default": 1, "title": "Times", "type": "integer"}}


async def test_they_stand_in_the_catalogue(settings: Settings) -> None:
    own(settings, "shout", "wait", "BOTH")
    listed = {tool.type: tool for tool in available_tools()}
    assert list(listed)[-3:] == ["shout", "wait", "BOTH"]
    assert (listed["shout"].description, listed["wait"].description) == ("Say it louder.", "Wait a while.")
    assert listed["BOTH"].description == f"The tool {HERE}.BOTH of this server."
    assert all(tool.available for tool in (listed["shout"], listed["wait"], listed["BOTH"]))
    assert parse_tool("SHOUT") == parse_tool({"type": "shout"}) == ToolSpec("shout")
    assert parse_tool("both") == ToolSpec("BOTH")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("whisper", f"{HERE}.whisper is named 'whisper_softly', and the last part"),
        ("nothing", f"{HERE}.nothing should be a list of LangChain tools"),
        ("number", f"{HERE}.number is neither a tool"),
        ("mute", f"{HERE}.mute has no docstring"),
        ("absent", f"TOOLS names {HERE}.absent, and {HERE} has no absent."),
    ],
)
async def test_what_is_no_tool_is_a_problem(settings: Settings, name: str, problem: str) -> None:
    (found,) = (await open_tools(own(settings, name))).problems
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("no_such_module.tool", "TOOLS names no_such_module.tool, and there is no module no_such_module."),
        ("no_such_package.module.tool", "no_such_package.module cannot be found: ModuleNotFoundError."),
        ("justaname", "TOOLS names 'justaname', which is no dotted path like mypackage.mymodule.mytool."),
        ("not a.path", "TOOLS names 'not a.path', which is no dotted path"),
        (f"{HERE}.absent", f"TOOLS names {HERE}.absent, and {HERE} has no absent."),
        (f"{HERE}.mute", f"{HERE}.mute has no docstring"),
        (f"{HERE}.wikipedia", f"TOOLS names {HERE}.wikipedia, and there is another tool called wikipedia."),
    ],
)
def test_the_start_complains(settings: Settings, path: str, complaint: str) -> None:
    settings.TOOLS = [path]
    (error,) = [message for message in run_checks() if str(message.id).startswith("agents.")]
    assert complaint in error.msg


def test_the_start_complains_of_two_of_a_name(settings: Settings) -> None:
    settings.TOOLS = [f"{HERE}.shout", f"{HERE}.wait", f"{HERE}.shout"]
    (error,) = checks.check_own_tools(None)
    assert error.id == "agents.E002"


def test_the_check_before_deployment_imports_them(settings: Settings) -> None:
    settings.TOOLS = [f"{HERE}.{name}" for name in ("shout", "whisper", "nothing")]
    assert not checks.check_own_tools(None)
    found = [message.msg for message in checks.check_own_tools_load(None)]
    assert [text.partition(" cannot be loaded")[0] for text in found] == [
        f"The tool {HERE}.whisper",
        f"The tool {HERE}.nothing",
    ]


def test_nothing_is_imported_at_the_start() -> None:
    code = (
        "import django, sys; django.setup();"
        "from django.core.checks import run_checks; assert not run_checks();"
        "from agents.tools.catalogue import KINDS; assert 'shout' in KINDS;"
        "slow = ('langchain_core', 'langgraph');"
        "print([name for name in sys.modules if name.startswith(slow) or 'test_own' in name])"
    )
    environment = {
        "DJANGO_SETTINGS_MODULE": "opengpts.settings.testing",
        "DATABASE_URL": "sqlite:///:memory:",
        "TOOLS": f"{HERE}.shout,{HERE}.wait",
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
