"""Whatever two users do to assistants, threads, states and runs, in whatever order: each has what a model says.

The model is `tests.integration.two_users`. The steps are chosen by hypothesis, the same ones each time; for other and
more ones: `STATE_MACHINE_EXAMPLES=500`.
"""

import asyncio
import os
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from agents.graphs import aclose
from assistants.models import Assistant as AssistantRow
from runs.claiming import claim_run
from runs.event_log.memory import MemoryEventLog
from runs.execution import execute
from tests.client import APIClient
from tests.integration.two_users import Assistant, Conversation, Expected, Run, Said, Thread, added
from tests.services import FakeOpenAI
from threads.models import Thread as ThreadRow

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(0)]

EXAMPLES = int(os.environ.get("STATE_MACHINE_EXAMPLES", "0"))
STEPS = 30
USERS = ("alice", "bob")
CHATBOT = {"configurable": {"type": "chatbot"}}

users = st.sampled_from(USERS)
numbers = st.integers(min_value=0, max_value=9)
words = st.sampled_from(["one", "two", "three", "größer \U0001f426"])
said = st.builds(
    Said,
    # Few, so that some name a message that is there, in this thread or in another.
    id=st.sampled_from(["m1", "m2", "m3", "m4", "m5", "m6"]),
    type=st.sampled_from(["human", "human", "ai"]),
    content=words,
)
several = st.lists(said, min_size=1, max_size=3, unique_by=lambda message: message.id).map(tuple)


def other(user: str) -> str:
    return USERS[1 - USERS.index(user)]


class TwoUsers(RuleBasedStateMachine):
    """Each rule asks the server for something, says what it should have answered, and keeps that in `expected`."""

    runner: asyncio.Runner

    @initialize()
    def begin(self) -> None:
        ThreadRow.objects.all().delete()
        AssistantRow.objects.all().delete()
        self.expected = Expected()
        self.clients = {user: APIClient(user) for user in USERS}
        # Ids of threads that are no more, for those who come after.
        self.given_up: list[str] = []
        for user in USERS:
            self._make_assistant(user, public=False)
        self._make_assistant("alice", public=True)

    # Assistants

    @rule(user=users, public=st.booleans())
    def make_assistant(self, user: str, public: bool) -> None:
        self._make_assistant(user, public=public)

    @rule(number=numbers, user=users, public=st.booleans())
    def change_assistant(self, number: int, user: str, public: bool) -> None:
        assistant = _pick(self.expected.assistants, number)
        if assistant is None:
            return
        body = {"name": f"changed by {user}", "config": CHATBOT, "public": public}
        response = self.clients[user]("PUT", f"/assistants/{assistant.id}", body)
        if assistant.owner != user:
            assert response.status_code == 404
            return
        assert response.status_code == 200
        assistant.name, assistant.public, assistant.touched = body["name"], public, self.expected.now()

    @rule(number=numbers, user=users)
    def delete_assistant(self, number: int, user: str) -> None:
        assistant = _pick(self.expected.assistants, number)
        # One of each stays, or there would soon be nothing to talk to.
        if assistant is None or len(self.expected.assistants) < 4:
            return
        assert self.clients[user]("DELETE", f"/assistants/{assistant.id}").json() == {"status": "ok"}
        if assistant.owner == user:
            self.expected.delete_assistant(assistant.id)

    # Threads

    @rule(user=users, number=numbers)
    def make_thread(self, user: str, number: int) -> None:
        assistant = _pick(self.expected.assistants, number)
        assert assistant is not None
        response = self.clients[user]("POST", "/threads", {"name": "t", "assistant_id": assistant.id})
        if not self.expected.visible(user, assistant.id):
            assert response.status_code == 404
            return
        thread_id = response.json()["thread_id"]
        self._keep_thread(thread_id, user, "t", assistant.id)

    @rule(user=users, number=numbers, of=numbers)
    def put_thread(self, user: str, number: int, of: int) -> None:
        """One that is there, whoever's it is; or one under an id that was somebody's."""
        ids = [*self.expected.threads, *self.given_up, str(uuid.UUID(int=number + 1, version=4))]
        thread_id, assistant = ids[number % len(ids)], _pick(self.expected.assistants, of)
        assert assistant is not None
        there = self.expected.threads.get(thread_id)
        response = self.clients[user]("PUT", f"/threads/{thread_id}", {"name": user, "assistant_id": assistant.id})
        if not self.expected.visible(user, assistant.id) or (there is not None and there.owner != user):
            assert response.status_code == 404
        elif there is not None:
            assert response.status_code == 200
            there.name, there.assistant, there.touched = user, assistant.id, self.expected.now()
        else:
            assert response.status_code == 200
            self._keep_thread(thread_id, user, user, assistant.id)

    @rule(number=numbers, user=users)
    def delete_thread(self, number: int, user: str) -> None:
        thread = _pick(self.expected.threads, number)
        if thread is None:
            return
        assert self.clients[user]("DELETE", f"/threads/{thread.id}").json() == {"status": "ok"}
        if thread.owner == user:
            self.expected.delete_thread(thread.id)
            self.given_up.append(thread.id)

    # What is said

    @rule(number=numbers, messages=several, at=numbers, fork=st.booleans())
    def post_state(self, number: int, messages: Conversation, at: int, fork: bool) -> None:
        """Messages to a thread's newest state, or to an earlier one."""
        thread = _pick(self.expected.threads, number)
        if thread is None:
            return
        checkpoint, before = self._place(thread, at if fork else None)
        config = {"configurable": {"checkpoint_id": checkpoint, "thread_id": self._another(thread)}}
        body = {"values": [message.body for message in messages], "config": config}
        response = self._ask(thread, "POST", "/state", body)
        if thread.assistant is None:
            assert response.status_code == 400
            return
        assert response.status_code == 200
        thread.messages = added(before, messages)
        self._remember(thread)

    @rule(number=numbers, which=numbers)
    def remove_message(self, number: int, which: int) -> None:
        thread = _pick(self.expected.threads, number)
        if thread is None or thread.assistant is None:
            return
        shown = self._shown(thread)
        if not shown:
            assert self._ask(thread, "POST", "/state", {"values": [{"type": "remove", "id": "m1"}]}).status_code == 422
            return
        place = which % len(shown)
        removal = {"type": "remove", "id": shown[place]["id"]}
        assert self._ask(thread, "POST", "/state", {"values": [removal]}).status_code == 200
        thread.messages = thread.messages[:place] + thread.messages[place + 1 :]
        self._remember(thread)

    # Runs

    @rule(
        number=numbers,
        of=st.none() | numbers,
        message=said,
        at=numbers,
        fork=st.booleans(),
        strategy=st.sampled_from(["enqueue", "enqueue", "enqueue", "reject", "interrupt", "rollback"]),
    )
    def start_run(self, number: int, of: int | None, message: Said, at: int, fork: bool, strategy: str) -> None:
        thread = _pick(self.expected.threads, number)
        if thread is None:
            return
        named = _pick(self.expected.assistants, of) if of is not None else None
        assistant = named.id if named else thread.assistant
        checkpoint, _ = self._place(thread, at if fork else None)
        message = Said(message.id, "human", message.content)
        body = {
            "thread_id": thread.id,
            "assistant_id": named.id if named else None,
            "input": {"messages": [message.body]},
            "config": {"configurable": {"checkpoint_id": checkpoint, "thread_id": self._another(thread)}},
            "multitask_strategy": strategy,
        }
        waiting = [run for run in self.expected.runs.values() if run.thread == thread.id and run.waits]
        response = self.clients[thread.owner]("POST", "/runs", body)
        if assistant is None:
            assert response.status_code == 400
        elif not self.expected.visible(thread.owner, assistant):
            assert response.status_code == 404
        elif waiting and strategy == "reject":
            assert response.status_code == 409
        else:
            assert response.status_code == 200, response.content
            for run in waiting if strategy != "enqueue" else ():
                run.status = "cancelled"
            run_id = response.json()["run_id"]
            run = Run(run_id, thread.owner, thread.id, assistant, (message,), checkpoint)
            self.expected.runs[run_id] = run

    @precondition(lambda self: self.expected.next_run())
    @rule()
    def do_run(self) -> None:
        """The oldest run that waits, to its end."""
        expected = self.expected.next_run()
        assert expected is not None
        run = claim_run()
        assert run is not None
        assert str(run.pk) == expected.id
        self.runner.run(execute(run, MemoryEventLog(length=1000, ttl=60)))
        self.expected.finish(expected)
        self._remember(self.expected.threads[expected.thread])

    @rule(number=numbers, user=users, action=st.sampled_from(["interrupt", "rollback"]))
    def cancel_run(self, number: int, user: str, action: str) -> None:
        run = _pick(self.expected.runs, number)
        if run is None:
            return
        response = self.clients[user]("POST", f"/runs/{run.id}/cancel?action={action}")
        assert response.status_code == (200 if run.owner == user else 404)
        if run.owner == user and run.waits:
            run.status = "cancelled"

    @rule(number=numbers, user=users)
    def delete_run(self, number: int, user: str) -> None:
        """What it has added to its thread stays."""
        run = _pick(self.expected.runs, number)
        if run is None:
            return
        response = self.clients[user]("DELETE", f"/runs/{run.id}")
        if run.owner != user:
            assert response.status_code == 404
        elif run.waits:
            assert response.status_code == 409
        else:
            assert response.json() == {"status": "ok"}
            del self.expected.runs[run.id]

    # What is not theirs

    @rule(number=numbers, message=said)
    def intrude(self, number: int, message: Said) -> None:
        """The other user tries all there is on a thread. That nothing has changed, the invariants see."""
        thread = _pick(self.expected.threads, number)
        if thread is None:
            return
        intruder, path = self.clients[other(thread.owner)], f"/threads/{thread.id}"
        public = next((each.id for each in self.expected.assistants.values() if each.public), None)
        inject = {"role": "user", "content": message.content}
        commands = [
            {"method": "input.inject", "params": {"message": inject}},
            {"method": "state.get", "params": {}},
            {"method": "run.start", "params": {"assistant_id": public or thread.id, "input": [message.body]}},
        ]
        refused = [
            intruder("GET", path),
            intruder("GET", f"{path}/state"),
            intruder("GET", f"{path}/history"),
            intruder("GET", f"{path}/branches"),
            intruder("GET", f"{path}/runs"),
            intruder("GET", f"{path}/documents"),
            intruder("POST", f"{path}/state", {"values": [message.body]}),
            intruder("POST", "/runs", {"thread_id": thread.id, "assistant_id": public, "input": [message.body]}),
            *(intruder("POST", f"{path}/commands", {"id": 1, **command}) for command in commands),
        ]
        assert [response.status_code for response in refused] == [404] * len(refused)

    # What must hold after each step

    @invariant()
    def lists_have_what_there_is(self) -> None:
        for user, client in self.clients.items():
            mine = [each for each in self.expected.assistants.values() if each.owner == user]
            public = [each for each in self.expected.assistants.values() if each.public]
            threads = [each for each in self.expected.threads.values() if each.owner == user]
            for path, key, rows in (
                ("/assistants", "assistant_id", mine),
                ("/assistants/public", "assistant_id", public),
                ("/threads", "thread_id", threads),
            ):
                shown = client("GET", path)
                assert [row[key] for row in shown.json()] == self.expected.newest_first(rows)
                assert shown.headers["X-Total-Count"] == str(len(rows))

    @invariant()
    def threads_say_what_was_said(self) -> None:
        for thread in self.expected.threads.values():
            shown = [(message["type"], message["content"]) for message in self._shown(thread)]
            assert shown == [(message.type, message.content) for message in thread.messages]
            row = self._ask(thread, "GET", "").json()
            assert (row["name"], row["assistant_id"], row["user_id"]) == (thread.name, thread.assistant, thread.owner)

    @invariant()
    def runs_are_where_they_should_be(self) -> None:
        for thread in self.expected.threads.values():
            runs = [(run.id, run.status) for run in self.expected.runs.values() if run.thread == thread.id]
            shown = self._ask(thread, "GET", "/runs").json()
            assert [(run["run_id"], run["status"]) for run in reversed(shown)] == runs

    def _ask(self, thread: Thread, method: str, path: str, body: Any = None) -> Any:
        """As the owner."""
        return self.clients[thread.owner](method, f"/threads/{thread.id}{path}", body)

    def _shown(self, thread: Thread) -> list[dict[str, Any]]:
        """The thread's messages; by the protocol too, which asks for no assistant."""
        told: list[dict[str, Any]] = self._state_get(thread)["values"]["messages"]
        response = self._ask(thread, "GET", "/state")
        if thread.assistant is None:
            assert response.status_code == 400
        else:
            assert response.json()["values"] == told
        return told

    def _state_get(self, thread: Thread) -> dict[str, Any]:
        answer = self._ask(thread, "POST", "/commands", {"id": 1, "method": "state.get"}).json()
        result: dict[str, Any] = answer["result"]
        return result

    def _make_assistant(self, user: str, *, public: bool) -> None:
        assistant_id = self.clients[user].make_assistant(name="a", config=CHATBOT, public=public)
        self.expected.assistants[assistant_id] = Assistant(assistant_id, user, "a", public, self.expected.now())

    def _keep_thread(self, thread_id: str, user: str, name: str, assistant_id: str) -> None:
        self.expected.threads[thread_id] = Thread(thread_id, user, name, assistant_id, self.expected.now())

    def _place(self, thread: Thread, at: int | None) -> tuple[str | None, Conversation]:
        """One of the thread's checkpoints, and what was said there; None for the newest."""
        if at is None or not thread.checkpoints:
            return None, thread.messages
        checkpoint = list(thread.checkpoints)[at % len(thread.checkpoints)]
        return checkpoint, thread.checkpoints[checkpoint]

    def _another(self, thread: Thread) -> str:
        """A thread that a config names and that must not be heeded."""
        return next((key for key in self.expected.threads if key != thread.id), thread.id)

    def _remember(self, thread: Thread) -> None:
        """What the thread's newest checkpoint holds, the ids of answers included."""
        state = self._state_get(thread)
        shown = state["values"]["messages"]
        ids = [message["id"] for message in shown]
        assert [(each["type"], each["content"]) for each in shown] == [(m.type, m.content) for m in thread.messages]
        assert len(set(ids)) == len(ids)
        named = zip(thread.messages, ids, strict=True)
        thread.messages = tuple(Said(message_id, message.type, message.content) for message, message_id in named)
        thread.checkpoints[state["checkpoint"]["id"]] = thread.messages


def _pick(rows: dict[str, Any], number: int) -> Any:
    """One of the rows, or None where there are none."""
    return list(rows.values())[number % len(rows)] if rows else None


def test_two_users_have_what_the_model_says(openai_server: FakeOpenAI, settings_of_model: None) -> None:
    with asyncio.Runner() as runner:
        TwoUsers.runner = runner
        try:
            run_state_machine_as_test(TwoUsers, settings=_settings())
        finally:
            runner.run(aclose())


@pytest.fixture
def settings_of_model(openai_server: FakeOpenAI, settings: Any) -> None:
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "a-key", openai_server.base_url


def _settings() -> settings:
    return settings(
        max_examples=EXAMPLES or 10,
        stateful_step_count=STEPS,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink] if EXAMPLES else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
