import asyncio
import logging
import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    """Do runs that server processes were asked for, until SIGTERM or SIGINT. See docs/deployment.md."""

    help = "Do runs, beside the server processes (RUN_EXECUTOR=procrastinate). SIGTERM or Ctrl-C stops it."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.RUN_EXECUTOR != "procrastinate":
            raise CommandError("RUN_EXECUTOR=inline: the server processes do the runs themselves, and need no workers.")
        # Loads what only workers need.
        from runs.executors.worker_process import WorkerProcess

        async def work() -> None:
            if not await WorkerProcess().run():
                # What is left waits for a database that is away. Nobody waits for that.
                logging.shutdown()
                os._exit(1)

        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(work())


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # not on Windows
        return None
    return uvloop.new_event_loop
