"""Every command of the protocol, over HTTP and WebSocket, asked by everybody."""

import json
from typing import Any

import pytest

from runs.streaming.commands import HANDLERS, NEEDS, SUBSCRIPTIONS
from tests.acceptance.authorisation.table import NOT_IDENTIFIED
from tests.acceptance.authorisation.world import HUMAN, KEYS, MARK, World
from tests.live_server import LiveServer
from tests.live_socket import LiveSocket

pytestmark = pytest.mark.acceptance

NO_INTERRUPT = {"interrupt_id": "no-such-interrupt", "response": {"decisions": [{"type": "approve"}]}}
# What alice may do on her thread; the error where it is none.
COMMANDS: dict[str, tuple[dict[str, Any], str | None]] = {
    "run.start": ({"assistant_id": "{public}", "input": [HUMAN]}, None),
    "run.cancel": ({"run_id": "{run}"}, None),
    "input.respond": (NO_INTERRUPT, "no_such_interrupt"),
    "input.inject": ({"message": {"role": "user", "content": MARK}}, None),
    "state.get": ({}, None),
    "state.listCheckpoints": ({}, None),
    "state.fork": ({"checkpoint_id": "{checkpoint}", "input": [HUMAN]}, None),
    "agent.getTree": ({"run_id": "{run}"}, None),
    "subscription.subscribe": ({"channels": ["values"]}, None),
    "subscription.unsubscribe": ({"subscription_id": "none"}, "no_such_subscription"),
    "subscription.reconnect": ({"channels": ["values"]}, None),
}
# What somebody says on a thread of their own, about what is alice's.
ACROSS: list[tuple[str, dict[str, Any], str]] = [
    ("run.start", {"assistant_id": "{private}", "input": [HUMAN]}, "invalid_argument"),
    (
        "run.start",
        {"assistant_id": "{public}", "input": [HUMAN], "config": {"configurable": {"checkpoint_id": "{checkpoint}"}}},
        "invalid_argument",
    ),
    ("run.cancel", {"run_id": "{run}"}, "no_such_run"),
    ("state.fork", {"checkpoint_id": "{checkpoint}", "input": [HUMAN]}, "no_such_checkpoint"),
    ("agent.getTree", {"run_id": "{run}"}, "no_such_run"),
]


def socket_of(world: World, who: str, thread: str) -> LiveSocket:
    asker = world.askers[who]
    return LiveSocket(asker.url, world.ids[thread], None, headers=asker.headers)


def test_every_command_is_tried() -> None:
    assert set(COMMANDS) == {*HANDLERS, *SUBSCRIPTIONS}


@pytest.mark.parametrize("who", [*NOT_IDENTIFIED, "stranger", "guest"])
def test_others_over_http(world: World, who: str) -> None:
    before = world.alices()
    wrong = []
    for method in HANDLERS:
        command = {"id": 1, "method": method, "params": world.filled(COMMANDS[method][0])}
        answer = world.askers[who]("POST", world.filled("/threads/{thread}/commands"), command)
        if answer.status_code != (401 if who in NOT_IDENTIFIED else 404) or MARK in answer.text:
            wrong.append((method, answer.status_code, answer.text))
    assert (wrong, world.alices()) == ([], before)


@pytest.mark.parametrize(
    ("who", "code"), [*((who, 4401) for who in NOT_IDENTIFIED), ("stranger", 4404), ("guest", 4404)]
)
def test_others_have_no_socket_of_the_thread(world: World, who: str, code: int) -> None:
    with socket_of(world, who, "thread") as socket:
        closed, [frame] = socket.until_closed()
    assert (closed, frame["error"]) == (code, "permission_denied")
    assert MARK not in json.dumps(frame)


@pytest.mark.parametrize("who", ["stranger", "guest"])
def test_others_on_a_thread_of_their_own(world: World, who: str) -> None:
    before = world.alices()
    with socket_of(world, who, f"{who}s_thread") as socket:
        for method, params, code in ACROSS:
            answer = socket.ask(method, **world.filled(params))
            assert (answer["type"], answer.get("error")) == ("error", code), (method, answer)
            assert MARK not in json.dumps(answer).replace(MARK, "", json.dumps(params).count(MARK))
        assert MARK not in json.dumps(socket.ask("state.get"))
        assert MARK not in json.dumps(socket.events)
    assert world.alices() == before


@pytest.mark.parametrize("who", KEYS)
def test_keys_of_the_owner(world: World, who: str) -> None:
    """A command that a key has not the scope for is refused over the socket, and changes nothing."""
    before = world.alices()
    with socket_of(world, who, "thread") as socket:
        for method, (params, error) in COMMANDS.items():
            if NEEDS[method] == who:
                continue
            answer = socket.ask(method, **world.filled(params))
            assert (answer["type"], answer["error"]) == ("error", "permission_denied"), (method, error, answer)
    assert world.alices() == before


def test_the_owner(world: World, live: LiveServer) -> None:
    with socket_of(world, "owner", "thread") as socket:
        for method, (params, error) in COMMANDS.items():
            answer = socket.ask(method, **world.filled(params))
            assert answer.get("error") == error, (method, answer)
            if run_id := answer.get("result", {}).get("run_id"):
                world.askers["owner"]("GET", f"/runs/{run_id}/wait")
