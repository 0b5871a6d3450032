"""Jobs that go back into the queue, without losing their place in it."""

import logging

from django.conf import settings
from procrastinate.jobs import Job
from procrastinate.retry import BaseRetryStrategy, RetryDecision

logger = logging.getLogger(__name__)


class ComeAgain(Exception):
    """The job is not done yet."""

    def __init__(self, message: str = "", *, delay: float | None = None) -> None:
        """`delay`: seconds after which it may be tried again; None for RUN_HEARTBEAT."""
        super().__init__(message)
        self.delay = delay


class Retry(BaseRetryStrategy):
    """Tries everything again: how often a run is tried, its own row says."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        delay = getattr(exception, "delay", None)
        if delay is None and isinstance(exception, Exception):
            logger.error("the job of run %s is tried again", job.task_kwargs.get("run_id"), exc_info=exception)
        return RetryDecision(retry_in={"seconds": settings.RUN_HEARTBEAT if delay is None else delay})
