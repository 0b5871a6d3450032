"""What is deleted or old goes by itself: files, words of the index, entries of the log, what is kept in memory."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from accounts.models import User
from agents import graphs
from agents.config import AgentConfig
from agents.language_models.builtin_models import DEFAULT_LABEL
from agents.language_models.catalogue import MODELS
from agents.tools.images import FOLDER, store_image
from audit.models import Action, AuditEntry
from audit.services import record
from knowledge import nearest
from opengpts.db import in_database_thread
from personal_data import upkeep
from tests.integration.runs.event_logs import until
from threads.models import Image

pytestmark = pytest.mark.django_db(transaction=True)


def prepare() -> None:
    """A file of a thread that is gone, and an entry that is old."""
    name = "0" * 32 + ".jpg"
    store_image(name, b"data")
    Image.objects.create(thread=None, name=name)
    user = User.objects.create(username="alice")
    record(action=Action.CREATED, target=user, owner=user)
    AuditEntry.objects.update(at=timezone.now() - timedelta(days=366))


async def test_a_server_goes_its_round(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MEDIA_ROOT = tmp_path
    monkeypatch.setattr(upkeep, "INTERVAL", 0.05)
    await in_database_thread(prepare)
    rounds = 0
    go_round = upkeep.go_round

    def fail_at_first(**options: Any) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise RuntimeError("whatever it is")
        go_round(**options)

    monkeypatch.setattr(upkeep, "go_round", fail_at_first)
    going = upkeep.Upkeep()
    going.ensure_started()
    going.ensure_started()
    await until(lambda: rounds >= 4)
    await going.stop()
    assert not list((tmp_path / FOLDER).iterdir())
    assert not await AuditEntry.objects.aexists()
    stopped_at = rounds
    await asyncio.sleep(0.2)
    assert rounds == stopped_at


def test_graphs_and_tools_are_not_kept_for_long(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.OPENAI_API_KEY = "a-key"
    graphs.clear_cache()
    config, entry = AgentConfig(system_message="private"), MODELS[DEFAULT_LABEL]
    monkeypatch.setattr(graphs, "_expires_at", float("inf"))
    graph = graphs.graph_for(config, entry)
    graphs.expire()
    assert graphs.graph_for(config, entry) is graph
    monkeypatch.setattr(graphs, "_expires_at", 0.0)
    graphs.expire()
    assert graphs._compiled.cache_info().currsize == 0
    assert graphs._expires_at > 0
    graphs.clear_cache()


def test_vectors_are_kept_as_long_as_they_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(nearest, "monotonic", lambda: now)
    vectors = np.zeros((1, 4), dtype=np.float32)
    kept = nearest._Kept()
    for name in (1, 2):
        kept._keep(name, nearest._Set(np.array([name]), vectors))
    now += nearest.KEPT_FOR - 1
    assert len(list(kept.read([2]))) == 1
    now += 2
    kept.expire()
    assert list(kept._sets) == [2]
    assert kept._size == vectors.nbytes + 8
    now += nearest.KEPT_FOR
    kept.expire()
    assert (list(kept._sets), kept._size) == ([], 0)
