"""The settings of a deployment, each read by a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent.parent.parent
COMPLETE = {"SECRET_KEY": "x" * 60, "ALLOWED_HOSTS": "example.org", "TRUST_COOKIES": "true"}


def run(code: str, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "DATA_DIR": str(directory), **environment}
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=kept, capture_output=True, text=True, timeout=60)


def production(directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "import django; django.setup(); print('started')"
    return run(code, directory, DJANGO_SETTINGS_MODULE="opengpts.settings.production", **environment)


def test_production_starts_when_it_is_told_all_it_must_know(tmp_path: Path) -> None:
    assert production(tmp_path, **COMPLETE).stdout == "started\n"


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS"),
        ({"TRUST_COOKIES": "false"}, "TRUST_COOKIES"),
    ],
)
def test_production_refuses_to_start_unsafe(tmp_path: Path, missing: dict[str, str], named: str) -> None:
    refused = production(tmp_path, **(COMPLETE | missing))
    assert refused.returncode != 0
    assert "ImproperlyConfigured" in refused.stderr
    assert named in refused.stderr.splitlines()[-1]


def test_no_management_command_waits_for_langchain(tmp_path: Path) -> None:
    code = """
import sys
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "check"])
slow = {"langchain", "langchain_core", "langgraph", "openai", "twisted"}
print(sorted(slow & set(sys.modules)))
"""
    checked = run(code, tmp_path, DJANGO_SETTINGS_MODULE="opengpts.settings.development")
    assert checked.stdout.splitlines()[-1] == "[]", checked.stderr
