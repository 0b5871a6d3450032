"""The shape of documents on the wire."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiRequest, extend_schema_field
from pydantic import BaseModel, RootModel, ValidationError
from rest_framework import serializers

from knowledge.models import Document, DocumentStatus
from opengpts.bodies import MAX_SHOWN, Id, complaints
from opengpts.errors import Invalid
from opengpts.openapi import Complaint
from opengpts.strict_json import decode_json

FILES = {
    "type": "array",
    "items": {"type": "string", "format": "binary"},
    "minItems": 1,
    "maxItems": settings.INGEST_MAX_FILES,
}
UPLOAD = {"multipart/form-data": {"type": "object", "properties": {"files": FILES}, "required": ["files"]}}
_ONE_ID: list[dict[str, Any]] = [
    {"properties": {name: {"type": "string", "format": "uuid"}}, "required": [name]}
    for name in ("assistant_id", "thread_id")
]
INGEST = OpenApiRequest(
    {
        "type": "object",
        "properties": {
            "files": FILES,
            "config": {
                "type": "object",
                "description": "As JSON: where the files go, an assistant or a thread.",
                "properties": {"configurable": {"type": "object", "oneOf": _ONE_ID}},
                "required": ["configurable"],
                "example": {"configurable": {"assistant_id": "5c0d7a86-9a5b-4c1e-9d6b-0a8f4e1f2c33"}},
            },
        },
        "required": ["files", "config"],
    },
    encoding={"config": {"contentType": "application/json"}},
)
# A bare list, though `Document`s are read in pages: what is uploaded together is answered together.
UPLOADED = {"type": "array", "items": {"$ref": "#/components/schemas/Document"}}


class ChunkIds(RootModel[list[list[str]]]):
    """For each file, in their order, the ids of its chunks."""


class IngestProblem(BaseModel):
    """What is wrong with the request (a list), or with files in it that cannot be read (a text that names them)."""

    detail: list[Complaint] | str


class _Configurable(BaseModel):
    assistant_id: Id | None = None
    thread_id: Id | None = None


class IngestConfig(BaseModel):
    """Where `/ingest` is to put its files: exactly one of the two ids."""

    configurable: _Configurable


def parse_config(text: str | None) -> tuple[_Configurable | None, list[dict[str, Any]]]:
    """The `config` of `/ingest`, or what is wrong with it."""
    loc = ["body", "config"]
    if text is None:
        return None, [{"type": "missing", "loc": loc, "msg": "Field required", "input": None}]
    try:
        ids = IngestConfig.model_validate(decode_json(text)).configurable
    except ValidationError as exc:
        return None, complaints(exc, *loc)
    except Invalid as exc:
        why = exc.details[0]["ctx"]["error"]
        msg = f"Invalid JSON: {why}"
        return None, [{"type": "json_invalid", "loc": loc, "msg": msg, "input": text[:MAX_SHOWN]}]
    if (ids.assistant_id is None) == (ids.thread_id is None):
        msg = "configurable should have exactly one of assistant_id and thread_id"
        return None, [{"type": "value_error", "loc": loc, "msg": msg, "input": text[:MAX_SHOWN]}]
    return ids, []


class DocumentErrorSerializer(serializers.Serializer[Any]):
    """Why a document could not be read."""

    code = serializers.CharField()
    message = serializers.CharField()


class DocumentSerializer(serializers.ModelSerializer[Document]):
    """What a client is shown of a document. One of `assistant_id` and `thread_id` is null; `progress` is in percent."""

    document_id = serializers.UUIDField(source="id", read_only=True)
    assistant_id = serializers.UUIDField(read_only=True, allow_null=True)
    thread_id = serializers.UUIDField(read_only=True, allow_null=True)
    progress = serializers.IntegerField(read_only=True, min_value=0, max_value=100)
    error = serializers.SerializerMethodField()

    class Meta:
        model = Document
        fields = [
            "document_id",
            "assistant_id",
            "thread_id",
            "name",
            "media_type",
            "size",
            "status",
            "progress",
            "chunk_count",
            "error",
            "created_at",
            "finished_at",
        ]
        read_only_fields = fields

    @extend_schema_field(DocumentErrorSerializer(allow_null=True))
    def get_error(self, document: Document) -> dict[str, str] | None:
        if document.status != DocumentStatus.FAILED:
            return None
        return {"code": document.error_code, "message": document.error_message}
