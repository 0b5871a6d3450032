"""The databases that a benchmark compares, and a process of its own for each: Django has one set of settings."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

MEASURE = "--measure-here"


def both_databases(stack: ExitStack, server_url: str | None) -> Iterator[tuple[str, str]]:
    """The name and the `DATABASE_URL` of an empty database on SQLite, then of one on PostgreSQL.

    They are gone when the stack unwinds. `server_url` names a PostgreSQL server to use; else one is started.
    """
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="opengpts-bench-"))
    yield "SQLite", f"sqlite:///{Path(directory) / 'bench.sqlite3'}"
    if not server_url:
        from tests.services import PostgreSQL

        server_url = stack.enter_context(PostgreSQL()).url()
    yield "PostgreSQL", make_database(server_url, stack)


def make_database(server_url: str, stack: ExitStack) -> str:
    """The URL of a new database on a PostgreSQL server; dropped when the stack unwinds."""
    import psycopg
    from psycopg import sql

    name = sql.Identifier(database := f"bench_{secrets.token_hex(6)}")
    server = stack.enter_context(psycopg.connect(server_url, autocommit=True))
    server.execute(sql.SQL("CREATE DATABASE {}").format(name))
    stack.callback(server.execute, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
    return f"{server_url.rpartition('/')[0]}/{database}"


def in_process(module: str, url: str) -> Any:
    """What `module` measures on the database at `url`, in a process of its own."""
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "opengpts.settings.testing"}
    command = [sys.executable, "-m", module, MEASURE]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout.splitlines()[-1])


def run(main: Callable[[], None], measure: Callable[[], Any]) -> None:
    """`main`, or in the process that `in_process` has started: `measure`, on its migrated database."""
    if MEASURE not in sys.argv:
        main()
        return
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    print(json.dumps(measure()))
