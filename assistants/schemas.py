"""The shape of assistants on the wire."""

from typing import Annotated, Any

from drf_spectacular.utils import extend_schema_field
from pydantic import BaseModel, ConfigDict, WithJsonSchema
from rest_framework import serializers

from accounts.models import User
from agents.config import ASSISTANT_TYPES, without_secrets
from assistants.models import Assistant
from opengpts.bodies import Flag, Name

# What is under `configurable` is checked by `assistants.config_checking`, and described by `/runs/config_schema`.
Configurable = {
    "type": ["object", "null"],
    "properties": {"type": {"enum": [*ASSISTANT_TYPES, None]}},
    "description": "The keys are those of `GET /runs/config_schema`. Others are kept.",
}
AssistantConfig = Annotated[
    dict[str, Any], WithJsonSchema({"type": "object", "properties": {"configurable": Configurable}})
]


class AssistantBody(BaseModel):
    """What a client sends to create or replace an assistant.

    Secrets in `config` are encrypted and never shown again: `"***"` stands for them. Sent back in a PUT it keeps what
    is stored there, unless the tool's address is that of another server by then; where there is nothing to keep, it is
    refused with 422.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "bar", "config": {"configurable": {}}, "public": True}]}
    )

    name: Name
    config: AssistantConfig
    public: Flag = False


class AssistantSerializer(serializers.ModelSerializer[Assistant]):
    """What a client is shown of an assistant. `user_id` is its owner's.

    The `config` of each of its tools is shown to its owner only, with `"***"` for secrets: others see an empty one.
    """

    assistant_id = serializers.UUIDField(source="id", read_only=True)
    user_id = serializers.CharField(source="owner.username", read_only=True)
    config = serializers.SerializerMethodField()

    class Meta:
        model = Assistant
        fields = ["assistant_id", "user_id", "name", "config", "updated_at", "public"]
        read_only_fields = fields

    @extend_schema_field(serializers.DictField())
    def get_config(self, assistant: Assistant) -> Any:
        reader: User | None = self.context["request"].user
        is_owner = reader is not None and assistant.owner_id == reader.pk
        return assistant.config if is_owner else without_secrets(assistant.config)
