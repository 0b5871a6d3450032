"""The name of this process, which the work it has taken carries, so that others can tell when they have lost it."""

import os
import socket
import uuid
from functools import cache


@cache
def _token(pid: int) -> str:
    return uuid.uuid4().hex[:12]


@cache
def _host() -> str:
    """This host, down to the container: a number of a process means nothing outside its namespace."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:  # not on Linux
        namespace = 0
    return f"{socket.gethostname()}/{namespace}"


def worker_id() -> str:
    """`host:pid:token`. The token tells this process from an earlier one of the same number."""
    pid = os.getpid()
    return f"{_host()}:{pid}:{_token(pid)}"


def is_dead(worker: str) -> bool:
    """Whether that process is known to be gone: only a process of this host can be, the others' silence must do."""
    host, _, rest = worker.rpartition(":")[0].rpartition(":")
    if host != _host() or not rest.isdigit():
        return False
    pid = int(rest)
    if pid == os.getpid():
        return worker != worker_id()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # alive, and another user's
        return False
    return False
