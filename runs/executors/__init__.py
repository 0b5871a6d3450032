"""Who does the runs. `executor()` is what this deployment uses, as RUN_EXECUTOR says."""

from functools import cache

from django.conf import settings

from runs.executors.base import Executor

__all__ = ["Executor", "executor"]


@cache
def executor() -> Executor:
    """The executor that the settings name, the same one each time."""
    # Each loads what only it needs.
    if settings.RUN_EXECUTOR == "procrastinate":
        from runs.executors.procrastinate import ProcrastinateExecutor

        return ProcrastinateExecutor()
    from runs.executors.inline import InlineExecutor

    return InlineExecutor()
