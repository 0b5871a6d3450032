"""What Procrastinate's workers do for schedules. Imported by Procrastinate itself, where it is installed as an app."""

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from schedules.due import BATCH, run_due_schedules

# Seconds, as a cron expression's sixth field takes them.
_TICK = min(max(int(settings.SCHEDULE_TICK), 1), 59)


@app.periodic(cron=f"* * * * * */{_TICK}")
# One look that waits is enough: while there are no workers none is added. It goes before the runs that wait.
@app.task(name="schedules.run_due", queueing_lock="schedules.run_due", priority=1000)
def run_due(timestamp: int) -> None:
    """Run what is due. `timestamp` is when that was to be looked at, which may be a while ago."""
    while run_due_schedules(now=timezone.now()) >= BATCH:
        continue
