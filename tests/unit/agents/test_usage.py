"""What runs use, in tokens and in money."""

from dataclasses import replace
from decimal import Decimal

import pytest

from agents.language_models.model_entry import ModelEntry
from agents.language_models.usage import Usage

pytestmark = pytest.mark.once

ENTRY = ModelEntry("Mine", "openai", "mine", input_price=Decimal("2.50"), output_price=Decimal("0.1"))


def test_usages_add_up() -> None:
    assert Usage(1, 2) + Usage(10, 20) == Usage(11, 22)
    assert Usage(1, 2) + Usage(10, 20, estimated=True) == Usage(11, 22, estimated=True)
    assert Usage(1, 2).total_tokens == 3


def test_a_cost_is_exact() -> None:
    assert Usage(1_000_000, 0).cost(ENTRY) == Decimal("2.50")
    assert Usage(3, 7).cost(ENTRY) == Decimal("0.0000082")
    assert Usage().cost(ENTRY) == 0


def test_without_a_price_that_is_needed_it_is_not_known() -> None:
    entry = replace(ENTRY, output_price=None)
    assert Usage(5, 1).cost(entry) is None
    assert Usage(5, 0).cost(entry) == Decimal("0.0000125")
    assert Usage(5, 1).cost(replace(ENTRY, input_price=None)) is None


def test_what_is_free_costs_nothing() -> None:
    assert Usage(5, 5).cost(replace(ENTRY, input_price=Decimal(0), output_price=Decimal(0))) == 0
