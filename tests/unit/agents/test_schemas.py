"""The schemas, as OpenGPTs' web page reads them (its `useSchemas.ts`, `useToolsSchemas.ts` and `Config.tsx`)."""

from typing import Any

import pytest
from pytest_django import Settings

from agents import schemas
from agents.config import find_problems, parse_config
from agents.models import LanguageModel
from agents.tools.catalogue import KINDS

pytestmark = pytest.mark.django_db


def resolved(schema: Any, root: Any) -> Any:
    """As the page resolves it: each reference replaced by what it refers to."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            place = root
            for part in schema["$ref"].removeprefix("#/").split("/"):
                place = place[part]
            return resolved(place, root)
        return {key: resolved(value, root) for key, value in schema.items()}
    return [resolved(item, root) for item in schema] if isinstance(schema, list) else schema


@pytest.fixture
def fields(settings: Settings) -> dict[str, Any]:
    settings.OPENAI_API_KEY = "a-key"
    schema = schemas.config_schema()
    return dict(resolved(schema, schema)["properties"]["configurable"]["properties"])


def test_the_keys_of_opengpts(fields: dict[str, Any]) -> None:
    assert set(fields) == {
        "type",
        "type==agent/agent_type",
        "type==agent/system_message",
        "type==agent/tools",
        "type==agent/interrupt_before_action",
        "type==agent/retrieval_description",
        "type==chatbot/llm_type",
        "type==chatbot/system_message",
        "type==chat_retrieval/llm_type",
        "type==chat_retrieval/system_message",
    }


def test_the_page_can_show_each_field(fields: dict[str, Any]) -> None:
    assert fields["type"]["enum"] == ["agent", "chatbot", "chat_retrieval"]
    for key, field in fields.items():
        assert field["title"]
        # What `Config.tsx` has an input for.
        assert field["type"] in ("string", "boolean") or key == "type==agent/tools"
    for key in ("type==agent/agent_type", "type==chatbot/llm_type", "type==chat_retrieval/llm_type"):
        assert (fields[key]["type"], fields[key]["default"]) == ("string", "GPT 3.5 Turbo")
        # Those that cannot run here too.
        assert set(fields[key]["enum"]) >= {"GPT 4o", "Claude 2", "GEMINI", "Mixtral", "Ollama"}


def test_the_page_can_show_each_tool(fields: dict[str, Any]) -> None:
    read = {}
    for schema in fields["type==agent/tools"]["items"]["anyOf"]:
        properties = schema["properties"]
        assert isinstance(properties["config"]["properties"], dict)
        assert properties["config"]["type"] == "object"
        name, description = properties["name"]["const"], properties["description"]["const"]
        read[properties["type"]["default"]] = (name, description, properties["multi_use"]["const"])
    assert read == {key: (kind.name, kind.description, kind.multi_use) for key, kind in KINDS.items()}


def test_the_defaults_that_the_page_sends_are_a_config(fields: dict[str, Any]) -> None:
    # `getDefaults` takes each field's default.
    config = {"configurable": {key: field["default"] for key, field in fields.items()}}
    assert find_problems(config) == []
    assert parse_config(config).model == "GPT 3.5 Turbo"


def test_the_model_proposed_is_the_one_that_runs(settings: Settings) -> None:
    settings.OPENAI_API_KEY = ""
    settings.LOCAL_MODEL = "auto"
    properties = schemas.config_schema()["properties"]["configurable"]["properties"]
    assert properties["type==chatbot/llm_type"]["default"] == "SmolLM2 135M (local)"


def test_no_model_at_all(settings: Settings) -> None:
    settings.OPENAI_API_KEY = ""
    settings.LOCAL_MODEL = "off"
    properties = schemas.config_schema()["properties"]["configurable"]["properties"]
    assert properties["type==chatbot/llm_type"]["default"] == "GPT 3.5 Turbo"


def test_no_model_is_switched_on(settings: Settings) -> None:
    LanguageModel.objects.update(enabled=False)
    field = schemas.config_schema()["properties"]["configurable"]["properties"]["type==agent/agent_type"]
    assert (field["enum"], field["default"]) == ([], "GPT 3.5 Turbo")


@pytest.mark.parametrize("schema", [schemas.input_schema(), schemas.output_schema()])
def test_messages(schema: dict[str, Any]) -> None:
    bare, holding = resolved(schema, schema)["anyOf"][:2]
    assert bare["items"]["properties"]["content"]
    assert holding["properties"]["messages"] == bare


def test_a_notice_is_an_ai_message_that_says_so() -> None:
    message = schemas.output_schema()["$defs"]["Message"]["properties"]
    assert message["type"]["enum"] == ["human", "ai", "system", "tool"]
    assert message["additional_kwargs"]["properties"]["notice"]["type"] == "string"
    assert message.keys() - schemas.input_schema()["$defs"]["Message"]["properties"].keys() == {"additional_kwargs"}
