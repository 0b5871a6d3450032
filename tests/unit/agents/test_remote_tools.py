"""Schemas of tools that other servers offer: whatever they hold, a model can be told of the tool."""

import json
from typing import Any

import pytest
from langchain_core.utils.function_calling import convert_to_openai_tool

from agents.tools.remote import MAX_SCHEMA, Secrets, remote_tool

pytestmark = pytest.mark.once


async def _nothing(arguments: dict[str, Any]) -> tuple[str, Any]:
    return "", None


def told(schema: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a tool with this schema, as a model is told of them."""
    function = convert_to_openai_tool(remote_tool("it", "", schema, _nothing))["function"]
    parameters: dict[str, Any] = function["parameters"]
    return parameters


def taking(argument: Any, **definitions: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"it": argument}, "required": ["it"], "$defs": definitions}


def test_references_are_put_in_place() -> None:
    place = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    assert told(taking({"$ref": "#/$defs/Place"}, Place=place)) == {
        "type": "object",
        "properties": {"it": place},
        "required": ["it"],
    }


def test_references_to_references_do_not_fill_the_memory() -> None:
    pairs = {
        f"P{n}": {"type": "object", "properties": {side: {"$ref": f"#/$defs/P{n + 1}"} for side in "lr"}}
        for n in range(100)
    }
    schema = told(taking({"$ref": "#/$defs/P0"}, **pairs))
    assert len(json.dumps(schema)) <= MAX_SCHEMA
    assert schema["properties"]["it"]["properties"].keys() == {"l", "r"}


def test_a_chain_of_references_ends() -> None:
    links = {f"L{n}": {"$ref": f"#/$defs/L{n + 1}"} for n in range(5000)}
    assert told(taking({"$ref": "#/$defs/L0"}, **links))["properties"] == {"it": {}}


@pytest.mark.parametrize("reference", ["#/nope", "https://example.org/schema.json", "#/properties/it", 5, {}, None])
def test_a_reference_to_nowhere_allows_anything(reference: Any) -> None:
    assert told(taking({"$ref": reference}))["properties"] == {"it": {}}


def test_a_property_of_that_name_is_no_reference() -> None:
    assert told({"type": "object", "properties": {"$ref": {"type": "string"}}})["properties"] == {}


def test_an_artifact_is_json() -> None:
    artifact = {"a": [float("nan"), float("-inf"), 1.5, 10**30]}
    assert Secrets().hide_in(artifact) == {"a": ["nan", "-inf", 1.5, 10**30]}
