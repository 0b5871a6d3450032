"""What a run says to the tool calls that wait for confirmation.

A run names the calls that waited when it was asked for. By the time it is its turn others may wait, which nobody has
seen: those are not decided on.
"""

from typing import Any

from opengpts.errors import Conflict, Invalid
from runs.models import Run
from runs.schemas import Command, Edit
from threads.models import Checkpoint, Thread
from threads.state import read_step
from threads.upkeep import delete_writes

NOTHING_WAITS = "No tool call of this thread waits for a decision."
DECIDED = "The tool calls of this thread have changed, or been decided on, since this was asked for."


def decisions_on(thread: Thread, command: Command | None, checkpoint_id: str | None = None) -> dict[str, Any]:
    """What the row of a run without input keeps: see `Run.resume`. It begins from that checkpoint, or the newest.

    Without a command all calls are approved. Raises `Conflict` for a command where no calls wait, and `Invalid` where
    its decisions are not one for each, or would call another tool.
    """
    calls = read_step(thread=thread, checkpoint_id=checkpoint_id).waiting
    kept: dict[str, Any] = {"calls": [call["id"] for call in calls], "decisions": None}
    if command is None:
        return kept
    if not calls:
        raise Conflict(NOTHING_WAITS)
    decisions = command.resume.decisions
    where = ("body", "command", "resume", "decisions")
    if len(decisions) != len(calls):
        msg = f"{len(calls)} tool calls wait, so there should be as many decisions"
        raise Invalid.at(*where, msg=msg, value=len(decisions))
    for number, (decision, call) in enumerate(zip(decisions, calls, strict=True)):
        if isinstance(decision, Edit) and decision.edited_action.name != call["name"]:
            msg = f"The model called {call['name']}. An edit may change the arguments of a call, but not its tool"
            raise Invalid.at(*where, number, "edited_action", "name", msg=msg, value=decision.edited_action.name)
    return {**kept, "decisions": [decision.model_dump(exclude_none=True) for decision in decisions]}


def answer_to(calls: list[dict[str, Any]], kept: dict[str, Any] | None) -> list[dict[str, Any]] | None:
    """The decisions of a run on the calls that wait now; None where it has none on these: they are asked about again.

    Raises `Conflict` where it was made to decide on others.
    """
    kept = kept or {"calls": [], "decisions": None}
    if [call["id"] for call in calls] != kept["calls"]:
        if kept["decisions"] is not None:
            raise Conflict(DECIDED)
        return None
    return kept["decisions"] or [{"type": "approve"}] * len(calls) or None


def take_back(*, run: Run) -> None:
    """Undo the decisions of a run that was broken off before its thread went on with them: the calls wait again.

    To be called in the transaction that ends the run.
    """
    run_id = str(run.pk)
    if (
        run.resume
        and run.resume["calls"]
        and not Checkpoint.objects.filter(thread=run.thread_id, run_id=run_id).exists()
    ):
        delete_writes(thread_id=run.thread_id, run_ids=[run_id])
