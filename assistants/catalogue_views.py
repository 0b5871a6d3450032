"""`/models` and `/tools`: what an assistant's config may name, for whoever writes one."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from agents.language_models.catalogue import ModelStatus, available_models
from agents.tools.catalogue import ToolStatus, available_tools
from opengpts.auth import Scope, needing


def _price(of: str) -> serializers.DecimalField:
    return serializers.DecimalField(
        max_digits=12,
        decimal_places=6,
        normalize_output=True,
        allow_null=True,
        help_text=f"USD per million tokens that it {of}.",
    )


class ModelSerializer(serializers.Serializer[ModelStatus]):
    """A model that an assistant may name by its `label`.

    `reason` says why it is not `available`, null when it is. `context_window` is in tokens, prices are decimals in
    strings; null where not known. `is_default` marks the one that assistants get which name none.
    """

    label = serializers.CharField()  # type: ignore[assignment]  # a field of that name is also a field's label
    model = serializers.CharField(help_text="What the label stands for now, as provider:name.")
    available = serializers.BooleanField()
    reason = serializers.CharField(allow_null=True)
    can_use_tools = serializers.BooleanField()
    can_see_images = serializers.BooleanField()
    context_window = serializers.IntegerField(allow_null=True)
    input_price = _price("reads")
    output_price = _price("writes")
    is_default = serializers.BooleanField()


class ToolSerializer(serializers.Serializer[ToolStatus]):
    """A tool that an agent may be given, as `type==agent/tools` names it: `{"type": …, "config": {…}}`.

    `reason` says why it is not `available` on this server, null when it is; such a tool can be chosen all the same.
    `config_schema` is the JSON schema of its `config`. With `multi_use` one assistant may have several, with different
    configs.
    """

    type = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    available = serializers.BooleanField()
    reason = serializers.CharField(allow_null=True)
    multi_use = serializers.BooleanField()
    config_schema = serializers.DictField()


@needing(Scope.READ)
@extend_schema(
    tags=["catalogue"],
    summary="The models there are, and whether each can run here",
    responses={200: ModelSerializer(many=True)},
)
@api_view(["GET"])
def list_models(request: Request) -> Response:
    """What staff have in the admin, in its order."""
    return Response([ModelSerializer(model).data for model in available_models()])


@needing(Scope.READ)
@extend_schema(
    tags=["catalogue"],
    summary="The tools there are, and whether each can be used here",
    responses={200: ToolSerializer(many=True)},
)
@api_view(["GET"])
def list_tools(request: Request) -> Response:
    """Those that come with the server, and then those of the setting TOOLS."""
    return Response([ToolSerializer(tool).data for tool in available_tools()])
