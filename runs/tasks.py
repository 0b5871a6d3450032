"""The task of jobs that bring runs to workers. Imported by Procrastinate itself, where it is installed as an app."""

import uuid

from procrastinate import JobContext
from procrastinate.contrib.django import app

from runs.executors.coming_again import ComeAgain, Retry
from runs.executors.jobs import QUEUE, TASK
from runs.executors.runner import Runner

# In a worker's context, what does runs there.
RUNNER = "runner"


@app.task(name=TASK, queue=QUEUE, pass_context=True, retry=Retry())
async def do_run(context: JobContext, *, run_id: str) -> None:
    """Do a run, to the end of this attempt. Raises `ComeAgain` where that is not its end."""
    runner: Runner | None = context.additional_context.get(RUNNER)
    if runner is None:
        raise ComeAgain("Runs are done by the workers that `manage.py worker` starts.")
    if (delay := await runner.do(uuid.UUID(run_id))) is not None:
        raise ComeAgain(delay=delay)
