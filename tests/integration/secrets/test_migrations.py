"""What was stored before secrets were encrypted is encrypted by the migrations, whatever it is."""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from accounts.models import User
from agents.config_secrets.sealing import reveal
from agents.config_secrets.stored_rows import reveal_rows, seal_rows
from assistants.models import Assistant
from runs.models import Run
from schedules.models import Schedule
from tests.client import APIClient
from tests.integration.secrets.test_api import TOOLS, config
from threads.models import Thread

BEFORE = [("assistants", "0001_initial"), ("runs", "0003_events"), ("schedules", "0001_initial")]
SEALING = [("assistants", "0003_seal_secrets"), ("runs", "0005_seal_secrets"), ("schedules", "0003_seal_secrets")]

WEIRD: list[Any] = [
    {"configurable": {TOOLS: [{"type": "robot", "config": {"headers": {"x": "s3cret"}, "url": "http://a/?b=s3cret"}}]}},
    {"configurable": {TOOLS: {"mcp": {"token": "s3cret"}}}},
    {
        "configurable": {
            TOOLS: [{"type": "mcp", "config": "s3cret"}, None, [], {"type": 5, "config": {"token": "s3cret"}}]
        }
    },
    {"configurable": ["x"], "password": "s3cret"},
    {"configurable": {"my_api_key": "***", "token": "s3cret"}},
    config("s3cret", headers=["s3cret"]),
]
WITHOUT: list[Any] = [{}, [], "text", {"configurable": None}, {"configurable": {TOOLS: ["Wikipedia", "robot"]}}]


MODELS = {"assistants": Assistant, "runs": Run, "schedules": Schedule}


@pytest.fixture
def fields(db: None) -> dict[str, dict[str, Any]]:
    """What else the rows of each app must have."""
    thread = Thread.objects.get(pk=APIClient("alice").make_thread())
    Assistant.objects.all().delete()
    owner = {"owner_id": thread.owner_id}
    of_thread = {**owner, "thread_id": thread.pk}
    return {"assistants": owner, "runs": of_thread, "schedules": {**of_thread, "cron": "* * * * *", "enabled": False}}


class Editor:
    """Stands for a schema editor."""

    connection = connection


@pytest.mark.parametrize(("app", "migration"), SEALING)
@pytest.mark.django_db
def test_they_are_encrypted_and_can_be_plain_again(app: str, migration: str, fields: dict[str, Any]) -> None:
    model: Any = MODELS[app]
    kept = {model.objects.create(config=given, **fields[app]).pk: given for given in [*WEIRD, *WITHOUT]}
    module = importlib.import_module(f"{app}.migrations.{migration}")
    module.seal(apps, Editor())
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT config, secrets FROM {model._meta.db_table}")
        assert "s3cret" not in str(cursor.fetchall())
    rows = list(model.objects.order_by("pk"))
    assert {row.pk: reveal(row.sealed, owner=row.owner_id) for row in rows} == kept
    assert all(row.config == kept[row.pk] for row in rows if kept[row.pk] in WITHOUT)
    seal_rows(model.objects.all())
    assert list(model.objects.order_by("pk").values_list("secrets", flat=True)) == [row.secrets for row in rows]
    module.reveal(apps, Editor())
    assert dict(model.objects.values_list("pk", "config")) == kept


@pytest.mark.django_db
def test_what_is_lost_stays_masked_when_it_is_undone(settings: Any) -> None:
    APIClient("alice").make_assistant(config=config("s3cret", url="https://a.example/?k=s3cret"))
    settings.SECRETS_KEYS = [Fernet.generate_key().decode()]
    reveal_rows(Assistant.objects.all())
    row = Assistant.objects.get()
    assert (row.config, row.secrets) == (config(url="https://a.example/?k=***"), [])


@pytest.fixture
def migrated_back(transactional_db: None) -> Iterator[Any]:
    """The models of the schema before, in which the database is until it is migrated."""
    executor = MigrationExecutor(connection)
    executor.migrate(BEFORE)
    yield executor.loader.project_state(BEFORE).apps
    migrate()


def migrate() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def test_the_whole_migration(migrated_back: Any) -> None:
    owner = User.objects.create_user("alice")
    old = migrated_back.get_model("assistants", "Assistant")
    kept = {old.objects.create(owner_id=owner.pk, config=given).pk: given for given in [*WEIRD, *WITHOUT]}
    migrate()
    rows = list(Assistant.objects.all())
    assert {row.pk: reveal(row.sealed, owner=owner.pk) for row in rows} == kept
    assert "s3cret" not in str([row.config for row in rows])
    assert sum(bool(row.secrets) for row in rows) == len(WEIRD)
    MigrationExecutor(connection).migrate(BEFORE)
    assert dict(old.objects.values_list("pk", "config")) == kept
