"""What a run used, over all its attempts."""

from decimal import Decimal

import pytest
from django.test import Client

from agents.language_models.usage import Spending, Usage
from runs.claiming import claim_run
from runs.ending import finish_run, requeue_run
from runs.models import Run, RunStatus
from tests.client import APIClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def claimed() -> Run:
    alice = APIClient("alice")
    alice("POST", "/runs", {"thread_id": alice.make_thread(), "input": [{"role": "user", "content": "x"}]})
    run = claim_run()
    assert run
    return run


def spending(read: int, written: int, cost: str | None, estimated: bool = False) -> Spending:
    return Spending("GPT 4o", Usage(read, written, estimated), None if cost is None else Decimal(cost))


def shown(run: Run) -> tuple[object, object]:
    answer = APIClient("alice")("GET", f"/runs/{run.pk}").json()
    return answer["usage"], answer["cost"]


def again(run: Run, spent: Spending | None) -> Run:
    assert requeue_run(run=run, spent=spent)
    claimed = claim_run()
    assert claimed
    return claimed


def test_it_is_not_known_before_the_end(claimed: Run) -> None:
    assert shown(claimed) == (None, None)


def test_it_is_kept_and_shown(claimed: Run) -> None:
    finish_run(run=claimed, status=RunStatus.SUCCESS, spent=spending(10, 3, "0.0000250000"))
    usage = {"input_tokens": 10, "output_tokens": 3, "total_tokens": 13, "estimated": False}
    assert shown(claimed) == (usage, "0.000025")


def test_without_a_model_call_it_stays_unknown(claimed: Run) -> None:
    finish_run(run=claimed, status=RunStatus.ERROR)
    assert shown(claimed) == (None, None)


def test_attempts_add_up(claimed: Run) -> None:
    run = again(again(claimed, spending(10, 1, "0.5", estimated=True)), None)
    finish_run(run=run, status=RunStatus.SUCCESS, spent=spending(5, 2, "0.25"))
    usage = {"input_tokens": 15, "output_tokens": 3, "total_tokens": 18, "estimated": True}
    assert shown(claimed) == (usage, "0.75")


@pytest.mark.parametrize("costs", [("0.5", None), (None, "0.5")])
def test_a_cost_of_which_a_part_is_unknown_is_unknown(claimed: Run, costs: tuple[str | None, str | None]) -> None:
    finish_run(run=again(claimed, spending(10, 1, costs[0])), status=RunStatus.SUCCESS, spent=spending(5, 2, costs[1]))
    usage, cost = shown(claimed)
    assert usage
    assert cost is None


def test_what_another_process_took_over_is_not_added_to(claimed: Run) -> None:
    Run.objects.update(worker="another-host:1:token")
    assert not finish_run(run=claimed, status=RunStatus.SUCCESS, spent=spending(5, 2, "1"))
    assert shown(claimed) == (None, None)


def test_staff_see_it_and_its_sum(claimed: Run, admin_client: Client) -> None:
    finish_run(run=claimed, status=RunStatus.SUCCESS, spent=spending(1000, 234, "0.0625", estimated=True))
    shown = admin_client.get("/admin/runs/run/").content.decode()
    assert "1,234 (estimated)" in shown
    assert "0.0625" in shown
    assert '<td class="field-model">GPT 4o</td>' in shown
    assert 'class="field-assistant' in shown
    assert "1,234 tokens, $0.0625 where prices are known" in shown
    assert "0 tokens, $0 where" in admin_client.get("/admin/runs/run/?status__exact=error").content.decode()
    page = admin_client.get(f"/admin/runs/run/{claimed.pk}/change/").content.decode()
    for text in ("0.0625", "GPT 4o", "estimated"):
        assert text in page
    assert "icon-no" not in page


@pytest.mark.parametrize(
    ("cost", "shown"),
    [("0.0000250000", "$0.000025"), ("0.00012345", "$0.00012"), ("0.0123456", "$0.0123"), ("12.5", "$12.5000")],
)
def test_a_small_sum_does_not_look_like_nothing(claimed: Run, admin_client: Client, cost: str, shown: str) -> None:
    finish_run(run=claimed, status=RunStatus.SUCCESS, spent=spending(1, 1, cost))
    assert f"2 tokens, {shown} where prices" in admin_client.get("/admin/runs/run/").content.decode()


def test_which_model_it_was_is_shown(claimed: Run) -> None:
    def model() -> object:
        return APIClient("alice")("GET", f"/runs/{claimed.pk}").json()["model"]

    assert model() is None
    run = again(claimed, spending(1, 1, None))
    assert model() == "GPT 4o"
    finish_run(run=run, status=RunStatus.ERROR)
    assert model() == "GPT 4o"
