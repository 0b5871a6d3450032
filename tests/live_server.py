"""The real server as a process, for tests that talk to it as a client does."""

import http.client
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.services import STOP_TIMEOUT, Service

ROOT = Path(__file__).parent.parent
APPLICATION = "opengpts.asgi:application"
SERVERS = ("uvicorn", "daphne")
# Tests and benchmarks ask faster than people, and as one user.
PATIENT = {
    "THROTTLE_USER": "",
    "THROTTLE_UPLOADS": "",
    "THROTTLE_ANONYMOUS": "",
    "THROTTLE_LOGIN": "",
    "STREAMS_PER_USER": "100000",
}


class LiveServer(Service):
    """`opengpts.asgi` on a free port, with the development settings and the database at `database_url`.

    The schema is migrated first. Only the settings given here reach the server: neither those of the
    tests nor a `.env` file. Its `DATA_DIR` is `directory`. By default there is no model at all, and nobody asks too
    often.
    """

    def __init__(self, database_url: str, *, server: str = "uvicorn", **environment: str) -> None:
        super().__init__("server")
        self.server = server
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "opengpts.settings.development",
            "DATABASE_URL": database_url,
            "DATA_DIR": str(self.directory),
            **PATIENT,
            **environment,
        }
        try:
            self.manage("migrate", "--verbosity=0")
            self.restart()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """The server's root, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the server that runs now, or ran last."""
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process.pid

    def manage(self, *arguments: str) -> str:
        """Run a management command with the server's settings and return what it prints.

        Raises RuntimeError with its output when it fails.
        """
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def kill(self) -> None:
        """End the process as a power cut would: SIGKILL, with no time to clean up."""
        self.end(signal.SIGKILL)

    def terminate(self) -> int | None:
        """Ask the process to end, as an init system does, and return its exit code."""
        return self.end()

    def restart(self) -> None:
        """Start the server, after ending it if it still runs, on the same port and database."""
        self.end()
        self.start(self._command(), self._answers, cwd=ROOT, env=self.environment)

    def _command(self) -> list[str]:
        python = [sys.executable, "-m", self.server]
        if self.server == "daphne":
            return [*python, "--bind", "127.0.0.1", "--port", str(self.port), APPLICATION]
        graceful = ["--timeout-graceful-shutdown", str(int(STOP_TIMEOUT / 2))]
        return [*python, "--host", "127.0.0.1", "--port", str(self.port), *graceful, APPLICATION]

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/ok")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()
