"""`make audit` says plainly what was looked up, and what was not."""

from typing import Any

import pytest

from tests import audit

pytestmark = pytest.mark.once

CLEAN = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "not found"}
WEAK = {"name": "c", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}


@pytest.mark.parametrize(
    ("answers", "code", "said"),
    [
        ([[CLEAN, SKIPPED]], 0, "1 packages looked up, 1 unknown"),
        ([[CLEAN, WEAK]], 1, "c 2: CVE-1, fixed in 3"),
        ([[SKIPPED], [WEAK]], 1, "c 2: CVE-1"),
        ([[SKIPPED], "no network"], 0, "NOT AUDITED"),
        (["no network", "no network"], 0, "NOT AUDITED"),
    ],
)
def test_what_it_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answers: list[Any], code: int, said: str
) -> None:
    given = iter(answers)
    monkeypatch.setattr(audit, "audit", lambda requirements, service: next(given))
    assert audit.main(["requirements.txt"]) == code
    assert said in capsys.readouterr().out
