"""What a run used of its models, in tokens and in money. Nothing here imports LangChain."""

from dataclasses import dataclass
from decimal import Decimal

from agents.language_models.model_entry import ModelEntry

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that models read (`input_tokens`) and wrote (`output_tokens`). `estimated`: at least one count is."""

    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.estimated or other.estimated,
        )

    def cost(self, entry: ModelEntry) -> Decimal | None:
        """What this costs in USD at the prices of `entry`; None where one that is needed is not known."""
        cost = Decimal(0)
        for tokens, price in ((self.input_tokens, entry.input_price), (self.output_tokens, entry.output_price)):
            if tokens and price is None:
                return None
            cost += tokens * (price or Decimal(0)) / _MILLION
        return cost


@dataclass(frozen=True, slots=True)
class Spending:
    """What one attempt at a run used of the model with the label `model`, and what that cost in USD; None where the
    price is not known."""

    model: str
    usage: Usage
    cost: Decimal | None
