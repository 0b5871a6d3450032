"""What a run gives its graph to begin with, or to go on from."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.types import Command

from opengpts.errors import BadRequest
from runs.decisions import answer_to
from runs.models import Run
from threads.message_codec import from_wire
from threads.models import Checkpoint
from threads.pending import given_up
from threads.state import Step, has_named, read_step


class NothingToDo(Enum):
    """The thread is answered already."""

    ANSWERED = "answered"


# None goes on with the steps that are pending.
GraphInput = dict[str, list[BaseMessage]] | Command[Any] | None | NothingToDo


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a run begins: the messages it was asked with, what to give the graph, and from which checkpoint.

    `checkpoint_id` is None for the thread's newest one. `replaces` says that a message of the input has the id of one
    that the thread has had.
    """

    input: GraphInput
    messages: list[BaseMessage] = field(default_factory=list)
    checkpoint_id: str | None = None
    replaces: bool = False


def begin(run: Run, nodes: Collection[str], *, again: bool = False) -> Beginning:
    """How the run begins with a graph of these `nodes`; or how it goes on, where this attempt begins `again`.

    New messages, even none, begin at the start of the graph, and give up the steps that were pending: their open
    tool calls get a result that says so. A run that was begun before its process died goes on from its last
    checkpoint, since its input is in the thread already.
    """
    messages = [from_wire(message) for message in run.input or []]
    begun = (again or run.attempts > 1) and Checkpoint.objects.filter(run_id=str(run.pk), thread=run.thread).exists()
    if begun:
        return _go_on(messages, nodes, read_step(thread=run.thread))
    checkpoint_id = run.checkpoint_id or None
    step = read_step(thread=run.thread, checkpoint_id=checkpoint_id)
    if run.input is not None:
        replaces = has_named(thread=run.thread, messages=messages)
        messages = [*_given_up(step, messages), *messages]
        return Beginning({"messages": messages}, messages, checkpoint_id, replaces)
    decisions = answer_to(step.waiting, run.resume)
    if not step.next or not _knows(nodes, step):
        return Beginning(_anew(step, decisions or []), checkpoint_id=checkpoint_id)
    return Beginning(Command(resume={"decisions": decisions}) if decisions else None, checkpoint_id=checkpoint_id)


def _go_on(messages: list[BaseMessage], nodes: Collection[str], step: Step) -> Beginning:
    """The same run again, from where its last attempt was."""
    if not step.next:
        return Beginning(NothingToDo.ANSWERED, messages)
    return Beginning(None if _knows(nodes, step) else {"messages": _given_up(step)}, messages)


def _knows(nodes: Collection[str], step: Step) -> bool:
    """Whether the graph has the nodes that are next: the assistant may be another than the one that got there."""
    return set(step.next) <= set(nodes)


def _anew(step: Step, decisions: Sequence[dict[str, Any]]) -> GraphInput:
    """What makes the graph answer a thread in which no step of its own is pending.

    `decisions` are on the calls that wait there for a graph that asked about them, as this one does not.
    """
    if step.newest is None:
        raise BadRequest("There is nothing to go on from: the thread is empty. Send a message.")
    decided = zip(step.waiting, decisions, strict=False)
    approved = {call["id"] for call, decision in decided if decision["type"] != "reject"}
    results = _given_up(step, approved=approved)
    # An answer that was broken off is none yet.
    answered = step.newest == "ai" and not step.incomplete and not results and not step.next
    return NothingToDo.ANSWERED if answered else {"messages": results}


def _given_up(step: Step, messages: Sequence[BaseMessage] = (), *, approved: Collection[str] = ()) -> list[BaseMessage]:
    """The results of the calls that nothing answers, not even the new `messages`."""
    answered = {getattr(message, "tool_call_id", None) for message in messages}
    calls = [call for call in step.calls if call["id"] not in answered]
    return [from_wire(result) for result in given_up(calls, step.next, approved)]
