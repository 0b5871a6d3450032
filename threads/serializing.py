"""What a graph's steps hold besides messages, as bytes."""

from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Interrupt, Send

_BITS = 64


class Serializer(JsonPlusSerializer):
    """LangGraph's own, which takes no integer beyond 64 bits: such a one is written as text.

    A model may well give a tool one. It is read again only where a run is broken off, or waits for a person, between
    the model and the tool, and tools take numbers as text, too.
    """

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        try:
            return super().dumps_typed(obj)
        except TypeError:
            return super().dumps_typed(_with_small_integers(obj))


def _with_small_integers(value: Any) -> Any:
    if type(value) is int and value.bit_length() >= _BITS:
        return str(value)
    if type(value) is dict:
        return {key: _with_small_integers(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_with_small_integers, value))
    if isinstance(value, Send):
        return Send(value.node, _with_small_integers(value.arg))
    if isinstance(value, Interrupt):
        return Interrupt(_with_small_integers(value.value), id=value.id)
    return value
