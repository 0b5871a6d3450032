"""The pytest options `--database` and `--server`, and the environment that the suite runs in.

Loaded with `-p`, because the database must be there before Django reads its settings. Every setting
that could lead out of this machine, or to a developer's own data, is overridden here: what the
environment says wins over a `.env` file.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.live_server import SERVERS
from tests.services import PostgreSQL

DATABASES = ("sqlite", "postgresql")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database", choices=DATABASES, default="sqlite", help="The database that the tests run on (default: sqlite)."
    )
    parser.addoption(
        "--server",
        choices=SERVERS,
        default="uvicorn",
        help="The web server to test (default: uvicorn).",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Start the database and name it in `DATABASE_URL`. Workers of pytest-xdist inherit both."""
    options = early_config.known_args_namespace
    if "PYTEST_XDIST_WORKER" in os.environ or options.help or options.version:
        return
    directory = Path(tempfile.mkdtemp(prefix="opengpts-tests-"))
    early_config.add_cleanup(lambda: shutil.rmtree(directory, ignore_errors=True))
    if options.database == "postgresql":
        postgresql = PostgreSQL()
        early_config.add_cleanup(postgresql.stop)
        database_url = postgresql.url()
    else:
        database_url = f"sqlite:///{directory / 'db.sqlite3'}"
    os.environ |= {
        "DATABASE_URL": database_url,
        "DATA_DIR": str(directory),
        "REDIS_URL": "",
        "RUN_EXECUTOR": "inline",
        "LOCAL_MODEL": "off",
        "OPENAI_API_KEY": "",
        "OPENAI_BASE_URL": "",
    }


def pytest_report_header(config: pytest.Config) -> str:
    return f"database: {config.getoption('--database')}, server: {config.getoption('--server')}"
