"""The commands of the Agent Streaming Protocol over HTTP: each, good and bad, with its status."""

import uuid
from typing import Any

import pytest

from opengpts.db import in_database_thread
from runs.models import Run
from tests.integration.runs.conftest import Build
from tests.integration.runs.house import LONG, House
from tests.integration.runs.talk import CONFIRMED

pytestmark = pytest.mark.django_db(transaction=True)

HELLO = [{"type": "human", "content": "hello"}]
NOWHERE = "5f1c9d50-6f4e-4b1c-9a44-0d6d2a5d7c11"  # the same in all processes that share the tests
BAD_PARAMS: list[tuple[str, dict[str, Any]]] = [
    ("run.start", {}),
    ("run.start", {"assistant_id": 1}),
    ("run.start", {"assistant_id": NOWHERE, "input": HELLO}),
    ("run.start", {"assistant_id": "no id", "input": HELLO}),
    ("run.start", {"assistant_id": NOWHERE, "multitask_strategy": "fight"}),
    ("run.start", {"assistant_id": NOWHERE, "config": []}),
    ("run.cancel", {}),
    ("run.cancel", {"run_id": NOWHERE, "action": "forget"}),
    ("input.respond", {}),
    ("input.respond", {"interrupt_id": "x", "responses": []}),
    ("input.respond", {"responses": []}),
    ("input.inject", {}),
    ("input.inject", {"message": {"role": "tool", "content": "x"}}),
    ("input.inject", {"message": {"role": "user"}}),
    ("state.get", {"keys": "messages"}),
    ("state.listCheckpoints", {"limit": 0}),
    ("state.listCheckpoints", {"limit": 101}),
    ("state.listCheckpoints", {"before": "\x00"}),
    ("state.fork", {}),
]


async def command(here: House, method: str, thread: str | None = None, **params: Any) -> tuple[int, dict[str, Any]]:
    """The status and the body of the answer."""
    body = {"id": 7, "method": method, "params": params}
    response = await here.ask("POST", f"/threads/{thread or here.thread}/commands", body)
    answer: dict[str, Any] = response.json()
    assert answer["id"] == 7, answer
    return response.status_code, answer


async def done(here: House, method: str, **params: Any) -> dict[str, Any]:
    """The result of a command that succeeds."""
    status, answer = await command(here, method, **params)
    assert (status, answer["type"]) == (200, "success"), answer
    result: dict[str, Any] = answer["result"]
    return result


async def started(here: House, method: str, **params: Any) -> Run:
    """The run that a command starts, when it has ended."""
    run_id = (await done(here, method, **params))["run_id"]
    return await here.end_of(await in_database_thread(Run.objects.select_related("thread").get, pk=run_id))


@pytest.mark.parametrize(("method", "params"), BAD_PARAMS, ids=lambda value: str(value)[:40])
async def test_parameters_that_are_none(house: Build, method: str, params: dict[str, Any]) -> None:
    status, answer = await command(await house(), method, **params)
    assert (status, answer["type"], answer["error"]) == (200, "error", "invalid_argument")
    assert answer["message"]


@pytest.mark.parametrize("body", ["x", [], None, {}, {"id": "7", "method": "state.get"}, {"id": 7}], ids=str)
async def test_what_is_no_command(house: Build, body: Any) -> None:
    here = await house()
    response = await here.ask("POST", f"/threads/{here.thread}/commands", body if body is not None else "null")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_argument")


async def test_commands_that_there_are_none_of(house: Build) -> None:
    here = await house()
    assert (await command(here, "state.set"))[1]["error"] == "unknown_command"
    for method in ("subscribe", "unsubscribe", "reconnect"):
        assert (await command(here, f"subscription.{method}"))[1]["error"] == "not_supported"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("run.start", {"assistant_id": NOWHERE, "input": HELLO}),
        ("run.cancel", {"run_id": NOWHERE}),
        ("input.respond", {"interrupt_id": "x", "response": 1}),
        ("input.inject", {"message": {"role": "user", "content": "x"}}),
        ("state.get", {}),
        ("state.listCheckpoints", {}),
        ("state.fork", {"checkpoint_id": "x"}),
        ("agent.getTree", {}),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_another_users_thread(house: Build, method: str, params: dict[str, Any]) -> None:
    alice, bob = await house(), await house(user="bob")
    status, answer = await command(bob, method, alice.thread, **params)
    assert (status, answer["error"]) == (404, "permission_denied")
    if method != "run.start":
        assert (await command(bob, method, NOWHERE, **params))[1] == answer
    assert await alice.messages() == []


async def test_an_id_that_is_none(house: Build) -> None:
    status, answer = await command(await house(), "state.get", "no-id")
    assert (status, answer["error"]) == (404, "permission_denied")


async def test_starting_runs(house: Build) -> None:
    here = await house()
    run = await started(here, "run.start", assistant_id=here.assistant, input={"messages": HELLO})
    assert run.status == "success"
    assert await here.said() == [("human", "hello"), ("ai", "Echo: hello")]
    # A thread that is not there yet is made.
    here.thread = str(uuid.uuid4())
    assert (await started(here, "run.start", assistant_id=here.assistant, input=HELLO)).status == "success"
    assert (await here.ask("GET", f"/threads/{here.thread}")).json()["name"] == "hello"


async def test_no_thread_is_made_for_a_run_that_cannot_be(house: Build) -> None:
    here = await house()
    thread = str(uuid.uuid4())
    for params in ({"assistant_id": NOWHERE, "input": HELLO}, {"assistant_id": here.assistant, "input": "no message"}):
        _, answer = await command(here, "run.start", thread, **params)
        assert answer["error"] == "invalid_argument"
        assert (await here.ask("GET", f"/threads/{thread}")).status_code == 404


async def test_cancelling(house: Build) -> None:
    here = await house()
    run = await here.speak()
    result = await done(here, "run.cancel", run_id=str(run.pk), action="rollback")
    assert result["run_id"] == str(run.pk)
    assert (await here.end_of(run)).status == "cancelled"
    assert await here.messages() == []
    assert (await done(here, "run.cancel", run_id=str(run.pk)))["status"] == "cancelled"
    for run_id in (NOWHERE, "no id", "\x00"):
        assert (await command(here, "run.cancel", run_id=run_id))[1]["error"] == "no_such_run"
    other = await house()
    assert (await command(other, "run.cancel", run_id=str(run.pk)))[1]["error"] == "no_such_run"


async def test_a_run_that_will_not_wait(house: Build) -> None:
    here = await house()
    run = await here.start(LONG)
    answer = (await command(here, "run.start", assistant_id=here.assistant, input=HELLO, multitaskStrategy="reject"))[1]
    assert answer["error"] == "conflict"
    await here.speaking(run)
    last = await started(here, "run.start", assistant_id=here.assistant, input=HELLO, multitask_strategy="rollback")
    assert last.status == "success"
    assert await here.said() == [("human", "hello"), ("ai", "Echo: hello")]


@pytest.mark.usefixtures("with_tools")
async def test_answering_interrupts(house: Build) -> None:
    here = await house(**CONFIRMED)
    run = await here.run('TOOL:add {"a": 1, "b": 2}')
    [asked] = [entry.data for entry in await here.events(run) if entry.method == "input.requested"]
    interrupt, approve = asked["interrupt_id"], {"decisions": [{"type": "approve"}]}
    assert (await command(here, "input.respond", interrupt_id="x", response=approve))[1]["error"] == "no_such_interrupt"
    wrong: list[Any] = [None, "yes", {"decisions": []}, {"decisions": [{"type": "maybe"}]}]
    for response in wrong:
        answer = (await command(here, "input.respond", interrupt_id=interrupt, response=response))[1]
        assert answer["error"] == "invalid_argument", response
    more: list[dict[str, Any]] = [{"update": {}}, {"goto": "x"}]
    for extra in more:
        answer = (await command(here, "input.respond", interrupt_id=interrupt, response=approve, **extra))[1]
        assert answer["error"] == "not_supported"
    done_run = await started(here, "input.respond", responses=[{"interrupt_id": interrupt, "response": approve}])
    assert done_run.status == "success"
    assert (await here.said())[-1] == ("ai", "Echo: tool said 3")
    answer = (await command(here, "input.respond", interrupt_id=interrupt, response=approve))[1]
    assert answer["error"] == "no_such_interrupt"


async def test_saying_something_in_between(house: Build) -> None:
    here = await house()
    message = {"role": "user", "content": "by the way"}
    assert await done(here, "input.inject", message=message) == {}
    assert await here.said() == [("human", "by the way")]
    run = await here.speak("TOKENS:5 DELAY:50")
    waiting = await started(here, "input.inject", message=message)
    assert (await here.end_of(run)).status == waiting.status == "success"
    assert (await here.said())[-2:] == [("human", "by the way"), ("ai", "Echo: by the way")]


async def test_reading_states(house: Build) -> None:
    here = await house()
    assert await done(here, "state.get") == {"values": {"messages": []}, "next": []}
    await here.run("one")
    await here.run("two")
    result = await done(here, "state.get")
    assert result["values"]["messages"] == await here.messages()
    assert (await done(here, "state.get", keys=["other"]))["values"] == {}
    assert (await command(here, "state.get", namespace=["x"]))[1]["error"] == "no_such_namespace"
    listed = (await done(here, "state.listCheckpoints", limit=100))["checkpoints"]
    assert listed[0]["id"] == result["checkpoint"]["id"]
    assert [item["id"] for item in listed] == sorted((item["id"] for item in listed), reverse=True)
    by_one: list[dict[str, Any]] = []
    for number in range(len(listed)):
        before = {"before": by_one[-1]["id"]} if number else {}
        by_one += (await done(here, "state.listCheckpoints", limit=1, **before))["checkpoints"]
    assert by_one == listed


async def test_forking(house: Build) -> None:
    here = await house()
    await here.run("one")
    fork = (await done(here, "state.get"))["checkpoint"]["id"]
    await here.run("two")
    run = await started(here, "state.fork", checkpoint_id=fork, input=[{"type": "human", "content": "other"}])
    assert run.status == "success"
    assert [text for _, text in await here.said()] == ["one", "Echo: one", "other", "Echo: other"]
    for checkpoint_id in ("x", "", NOWHERE):
        answer = (await command(here, "state.fork", checkpoint_id=checkpoint_id))[1]
        assert answer["error"] == "no_such_checkpoint"
    other = await house()
    assert (await command(other, "state.fork", checkpoint_id=fork))[1]["error"] == "no_such_checkpoint"


async def test_the_graphs_of_a_run(house: Build) -> None:
    here = await house()
    assert (await command(here, "agent.getTree"))[1]["error"] == "no_such_run"
    run = await here.run("one")
    for params in ({}, {"run_id": str(run.pk)}):
        tree = (await done(here, "agent.getTree", **params))["tree"]
        assert (tree["status"], tree["namespace"], tree["metadata"]["run_id"]) == ("completed", [], str(run.pk))
    assert (await command(here, "agent.getTree", run_id=NOWHERE))[1]["error"] == "no_such_run"


async def test_too_many_runs(house: Build, settings: Any) -> None:
    settings.RUNS_QUEUED_PER_USER = 1
    here = await house()
    await here.speak()
    await here.start("waits")
    body = {"id": 7, "method": "run.start", "params": {"assistant_id": here.assistant, "input": HELLO}}
    response = await here.ask("POST", f"/threads/{here.thread}/commands", body)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "5")
    assert response.json()["error"] == "rate_limited"
