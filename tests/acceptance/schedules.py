"""Schedules of real servers, made due."""

from tests.live_server import LiveServer

# Run in a process of its own, as `manage.py shell` does.
MAKE_DUE = """
from datetime import timedelta
from django.utils import timezone
from schedules.models import Schedule
print(Schedule.objects.update(next_at=timezone.now() - timedelta(minutes=5)))
"""


def make_due(server: LiveServer) -> None:
    """Let the one schedule in the server's database have been due some minutes ago."""
    assert server.manage("shell", "-v0", "-c", MAKE_DUE).strip() == "1"
