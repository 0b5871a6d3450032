"""Empty databases for servers that run as processes of their own."""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql


@contextmanager
def new_database() -> Iterator[str]:
    """The `DATABASE_URL` of an empty database, on SQLite or PostgreSQL as the tests run; gone afterwards.

    Whoever is still connected to it then is cut off.
    """
    server_url = os.environ["DATABASE_URL"]
    name = f"opengpts_{secrets.token_hex(6)}"
    if server_url.startswith("sqlite"):
        path = Path(os.environ["DATA_DIR"]) / f"{name}.sqlite3"
        yield f"sqlite:///{path}"
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        return
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield f"{server_url.rpartition('/')[0]}/{name}"
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def rows_of(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of the database at this `DATABASE_URL`."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            return {name: sorted(database.execute(f'SELECT * FROM "{name}"'), key=repr) for (name,) in tables}
    with psycopg.connect(url, autocommit=True) as server:
        tables = server.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        select = sql.SQL("SELECT * FROM {}")
        return {name: sorted(server.execute(select.format(sql.Identifier(name))), key=repr) for (name,) in tables}
