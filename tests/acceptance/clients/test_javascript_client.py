"""The official JavaScript client, over server-sent events and WebSocket, and what is behind its hook for React."""

import functools
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import pytest

from tests.acceptance.clients.conftest import ADD, TEN, TEN_TOKENS
from tests.cutting_proxy import CuttingProxy
from tests.javascript_client import play
from tests.live_client import LiveClient
from tests.live_server import LiveServer
from tests.python_client import Transport
from tests.services import tokens

pytestmark = pytest.mark.acceptance

APPROVE = {"type": "approve"}

Play = Callable[..., Any]


@pytest.fixture
def scenario(agents_server: LiveServer, transport: Transport) -> Play:
    """Plays a scenario over one transport, as alice."""
    return functools.partial(play, url=agents_server.url, transport=transport)


def told(events: list[dict[str, Any]]) -> list[Any]:
    return [(event["event_id"], event["method"], event["params"]["data"]) for event in events]


def test_a_run_makes_the_thread_and_is_watched(scenario: Play, client: LiveClient, chatbot: str) -> None:
    saw = scenario("newThread", assistant=chatbot, text=TEN)
    everything = [["human", TEN], ["ai", TEN_TOKENS]]
    assert saw["texts"] == [TEN_TOKENS]
    assert saw["deltas"] > 3, "the text does not come in pieces"
    assert saw["output"] == saw["snapshots"][-1] == everything
    assert client.get(f"/runs/{saw['run']}")["status"] == "success"
    assert [list(one) for one in client.said(saw["thread"])] == everything


def test_tools_that_work_and_fail(scenario: Play, agent: str) -> None:
    saw = scenario("toolCalls", assistant=agent, text=f'{ADD} TOOL:failing {{"text": "x"}}')
    # This client gives each call twice, when it begins and when it ends.
    calls = {call["name"]: call for call in saw["calls"]}
    assert calls["add"] == {"name": "add", "input": {"a": 1, "b": 2}, "value": "3"}
    assert calls["failing"]["input"] == {"text": "x"}
    assert "secret" not in calls["failing"]["error"]
    assert saw["output"][-1] == ["ai", f"Echo: tool said 3 tool said {calls['failing']['error']}"]


def test_what_a_tool_tells_comes_under_its_name(scenario: Play, agent: str) -> None:
    saw = scenario("extensions", assistant=agent, text='TOOL:telling {"count": 3}')
    assert saw["live"] == [{"done": number, "of": 3} for number in (1, 2, 3)]
    assert saw["last"] == saw["live"][-1]


@pytest.mark.parametrize(
    ("decision", "result"),
    [
        (APPROVE, "3"),
        ({"type": "edit", "edited_action": {"name": "add", "args": {"a": 40, "b": 2}}}, "42"),
        ({"type": "reject", "message": "not today"}, "not today"),
    ],
    ids=["approve", "edit", "reject"],
)
def test_decisions(scenario: Play, asking: str, decision: dict[str, Any], result: str) -> None:
    saw = scenario("decide", assistant=asking, text=ADD, decision=decision)
    assert saw["before"] == [["human", ADD], ["ai", ""]]
    assert saw["interrupted"]
    assert saw["payload"]["action_requests"][0]["args"] == {"a": 1, "b": 2}
    assert saw["wrong"]["code"] == "no_such_interrupt"
    assert [kind for kind, _ in saw["after"]] == ["human", "ai", "tool", "ai"]
    assert saw["after"][2][1].endswith(result)


def test_subscribers_early_and_late_are_told_the_same(scenario: Play, chatbot: str) -> None:
    # For each, this client opens its stream anew, from the beginning; it leaves out what it has been told.
    saw = scenario("subscribers", assistant=chatbot, text="TOKENS:10 DELAY:50", after=8)
    assert "Thread not found" in saw["refused"], "there was a thread before its first run"
    early = told(saw["early"])
    # What goes on comes to a new subscription at once, before what was there; nothing twice.
    assert told(sorted(saw["within"], key=itemgetter("seq"))) == early
    assert told(saw["late"]) == early
    assert len({event_id for event_id, _, _ in early}) == len(early)
    text = "".join(data["delta"]["text"] for _, _, data in early if data.get("event") == "content-block-delta")
    assert text == TEN_TOKENS
    assert [data["event"] for _, method, data in early if method == "lifecycle"] == ["running", "completed"]


def test_two_runs_on_one_subscription(scenario: Play, chatbot: str) -> None:
    first = [["human", "TOKENS:3 DELAY:300"], ["ai", "tok0 tok1 tok2 "]]
    second = [*first, ["human", "two"], ["ai", "Echo: two"]]
    ends = ["running", "completed"]
    assert scenario("twoRuns", assistant=chatbot) == [
        {"text": "tok0 tok1 tok2 ", "values": first, "ends": ends},
        {"text": "Echo: two", "values": second, "ends": ends},
    ]


def test_coming_back(scenario: Play, client: LiveClient, chatbot: str) -> None:
    thread = client.make_thread(type="chatbot")
    client.wait_for_run(client.start_run(thread, "one"))
    assert scenario("attach", assistant=chatbot, thread=thread) == {
        "texts": ["Echo: one"],
        "deltas": 1,
        "output": [["human", "one"], ["ai", "Echo: one"]],
    }
    client.start_run(thread, TEN)
    saw = scenario("attach", assistant=chatbot, thread=thread)
    assert saw["texts"] == [TEN_TOKENS]
    assert saw["output"] == [["human", "one"], ["ai", "Echo: one"], ["human", TEN], ["ai", TEN_TOKENS]]


def test_a_connection_that_is_cut(scenario: Play, agents_server: LiveServer, chatbot: str) -> None:
    text = tokens(20)
    cuts = ["tok3 ", "tok8 "]
    with CuttingProxy(agents_server.port) as proxy:
        connected: list[int] = []
        saw = scenario(
            "cut",
            lambda _: connected.append(proxy.cut()),
            url=proxy.url,
            assistant=chatbot,
            text="TOKENS:20 DELAY:100",
            cuts=cuts,
        )
    assert len(connected) == len(cuts)
    assert all(connected), "the client is not connected by the proxy"
    assert saw["texts"] == [text]
    assert saw["output"] == [["human", "TOKENS:20 DELAY:100"], ["ai", text]]


def test_what_a_thread_answers_about_itself(scenario: Play, client: LiveClient, chatbot: str) -> None:
    saw = scenario("state", assistant=chatbot)
    assert "Thread not found" in saw["missing"]["error"]
    tree = saw["tree"]["tree"]
    assert (tree["namespace"], tree["status"], tree["graph_name"]) == ([], "completed", "chatbot")
    assert tree["metadata"]["assistant_id"] == chatbot
    got = saw["got"]
    assert [message["content"] for message in got["values"]["messages"]] == ["one", "Echo: one"]
    newest, *older = saw["checkpoints"]
    assert got["checkpoint"]["id"] == newest["id"]
    assert got["next"] == []
    assert saw["some"]["values"] == {}
    assert saw["nested"]["code"] == "no_such_namespace"
    assert [checkpoint["id"] for checkpoint in older] == [older[0]["id"], older[0]["parent_id"]]
    assert newest["parent_id"] == older[0]["id"]
    assert saw["older"] == older[:1]
    assert saw["injected"] == [["human", "one"], ["ai", "Echo: one"], ["human", "by the way"]]


def test_branches(scenario: Play, client: LiveClient, chatbot: str) -> None:
    saw = scenario("forks", assistant=chatbot)
    first = [["human", "one DELAY:300"], ["ai", "Echo: one DELAY:300"]]
    assert saw["onwards"] == [*first, ["human", "two"], ["ai", "Echo: two"]]
    assert saw["forked"] == [*first, ["human", "three"], ["ai", "Echo: three"]]
    assert saw["again"] == [*first, ["human", "four DELAY:300"], ["ai", "Echo: four DELAY:300"]]
    assert saw["fork"]["thread_id"] == saw["thread"]
    assert saw["unknown"]["code"] == "no_such_checkpoint"
    assert "no such checkpoint" in saw["unknownRun"]["error"]
    assert len(client.get(f"/threads/{saw['thread']}/runs")) == 4


@pytest.mark.parametrize(
    ("strategy", "first", "after"),
    [("enqueue", "success", 4), ("interrupt", "cancelled", 4), ("rollback", "cancelled", 2), ("reject", "success", 2)],
)
def test_a_run_that_comes_while_another_goes_on(
    scenario: Play, client: LiveClient, chatbot: str, strategy: str, first: str, after: int
) -> None:
    saw = scenario("multitask", assistant=chatbot, text="TOKENS:20 DELAY:50", strategy=strategy)
    if strategy == "reject":
        assert saw["refused"]["code"] == "conflict"
    else:
        assert client.wait_for_run(saw["second"])["status"] == "success"
    run = client.wait_for_run(saw["first"])
    assert run["status"] == first
    assert len(client.said(run["thread_id"])) == after


@pytest.mark.parametrize("script", ["FAIL:400", "GARBAGE", "RESET"])
def test_a_failing_model(scenario: Play, client: LiveClient, chatbot: str, script: str) -> None:
    saw = scenario("failing", assistant=chatbot, text=script)
    error = client.get(f"/runs/{saw['run']}")["error"]
    failed = {"event": "failed", "run_id": saw["run"], "error": error["message"], "code": error["code"]}
    assert saw["failed"] == failed
    assert saw["last"] == "lifecycle"
    assert saw["after"]["event"] == "completed"


def test_what_cannot_be_run(scenario: Play, client: LiveClient, chatbot: str) -> None:
    unknown = scenario("start", assistant="5c6fcbd2-9a1c-44ff-9e4c-9d4dd1c0fb05")
    assert (unknown["error"], unknown["code"]) == ("Assistant not found", "invalid_argument")
    wrong = scenario("start", assistant=chatbot, input={"messages": [{"role": "nobody", "content": "x"}]})
    assert wrong["code"] == "invalid_argument"
    thread = client.make_thread(type="chatbot")
    stranger = scenario("start", assistant=chatbot, thread=thread, user="bob")
    # Not every server passes on why a WebSocket is closed.
    assert stranger["status"] == 404
    assert client.get(f"/threads/{thread}/runs") == []


class TestController:
    """What `useStream` shows."""

    def test_a_conversation(self, scenario: Play, agent: str) -> None:
        saw = scenario(
            "conversation",
            assistant=agent,
            turns=[[TEN, TEN_TOKENS], [ADD, "Echo: tool said 3"], ["thanks", "Echo: thanks"]],
        )
        first, second, third = saw["seen"]
        turns = [["human", TEN], ["ai", TEN_TOKENS]]
        assert first["messages"] == first["values"] == turns
        turns += [["human", ADD], ["ai", ""], ["tool", "3"], ["ai", "Echo: tool said 3"]]
        assert second["messages"] == second["values"] == turns
        assert second["toolCalls"] == [{"name": "add", "input": {"a": 1, "b": 2}, "output": "3", "status": "finished"}]
        assert third["messages"] == [*turns, ["human", "thanks"], ["ai", "Echo: thanks"]]
        assert not any(one["isLoading"] or one.get("error") for one in saw["seen"])
        assert saw["growth"] > 3, "the text does not come in pieces"

    def test_a_failing_model_and_a_turn_after_it(self, scenario: Play, chatbot: str) -> None:
        failed, after = scenario("conversation", assistant=chatbot, turns=[["FAIL:400"], ["hello", "Echo: hello"]])[
            "seen"
        ]
        assert failed["error"] == "The model's provider answered 400: it refused the request."
        assert "error" not in after
        assert after["messages"][-1] == ["ai", "Echo: hello"]

    def test_a_thread_from_before(self, scenario: Play, client: LiveClient) -> None:
        # It reads `GET /threads/{id}/state`, and only values that are an object: API.md has a list for other types.
        assistant = client.make_assistant(type="chat_retrieval")
        thread = str(client.post("/threads", {"name": "t", "assistant_id": assistant})["thread_id"])
        client.wait_for_run(client.start_run(thread, "one"))
        saw = scenario("hydrated", assistant=assistant, thread=thread)
        assert [kind for kind, _ in saw["first"]["messages"]] == ["human", "ai", "tool", "ai"]
        assert not saw["first"]["isLoading"]

    def test_a_run_that_goes_on(self, scenario: Play, client: LiveClient, chatbot: str) -> None:
        thread = client.make_thread(type="chatbot")
        client.start_run(thread, "TOKENS:40 DELAY:50")
        saw = scenario("hydrated", assistant=chatbot, thread=thread)
        assert saw["first"]["isLoading"]
        assert saw["last"]["messages"][-1] == ["ai", tokens(40)]

    def test_answers(self, scenario: Play, asking: str) -> None:
        saw = scenario("answered", assistant=asking, text=ADD, decision=APPROVE)
        (interrupt,) = saw["asked"]["interrupts"]
        assert interrupt["action_requests"][0]["name"] == "add"
        assert saw["after"]["interrupts"] == []
        assert saw["after"]["messages"][-1] == ["ai", "Echo: tool said 3"]

    def test_answers_to_what_was_asked_before(self, scenario: Play, client: LiveClient, asking: str) -> None:
        thread = str(client.post("/threads", {"name": "t", "assistant_id": asking})["thread_id"])
        assert client.wait_for_run(client.start_run(thread, ADD))["status"] == "interrupted"
        saw = scenario("answered", assistant=asking, thread=thread, decision=APPROVE)
        assert saw["after"]["messages"][-1] == ["ai", "Echo: tool said 3"]

    @pytest.mark.parametrize("strategy", ["enqueue", "interrupt", "rollback"])
    def test_two_at_once(self, scenario: Play, chatbot: str, strategy: str) -> None:
        saw = scenario("replaced", assistant=chatbot, text="TOKENS:30 DELAY:50", strategy=strategy)
        answers = [text for kind, text in saw["messages"] if kind == "ai"]
        assert "error" not in saw, "the end of the first run was taken for that of the second"
        assert answers[-1] == "Echo: next"
        assert len(answers) == (1 if strategy == "rollback" else 2)

    def test_stopping(self, scenario: Play, client: LiveClient, chatbot: str) -> None:
        saw = scenario("stopped", assistant=chatbot, text="TOKENS:1000 DELAY:30")
        assert not saw["isLoading"]
        (run,) = client.get(f"/threads/{saw['thread']}/runs")
        assert client.wait_for_run(run["run_id"])["status"] == "cancelled"
