"""Blocks of a message's content as clients send them: those are refused that no model could be sent."""

from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

# What a block with data must hold, by its `source_type`, as LangChain once wrote it.
_SOURCE_FIELDS = {"base64": "data", "url": "url", "text": "text", "id": "id"}
# Where a block of these types has its data today; for base64 it must say of what kind it is.
_MEDIA_TYPES = {"image", "audio", "video", "file"}
_MEDIA_FIELDS = ("base64", "url", "file_id", "data", "source", "file", "text")


def _whole_block(block: dict[str, Any]) -> dict[str, Any]:
    """Refuse a block that no model could be sent, and that would make every later run of the thread fail."""
    kind = block.get("type")
    needed = "text" if kind == "text" else _SOURCE_FIELDS.get(str(block.get("source_type")))
    if not isinstance(kind, str):
        needed = "type"
    elif kind == "image_url" and not isinstance(block.get("image_url"), dict):
        raise PydanticCustomError("content_block", "This content block needs an object image_url")
    elif kind == "image_url" and not isinstance(block["image_url"].get("url"), str):
        raise PydanticCustomError("content_block", "The image_url of this content block needs a string url")
    elif kind in _MEDIA_TYPES and not block.keys() & {*_MEDIA_FIELDS}:
        raise PydanticCustomError("content_block", "This content block needs base64 or a url")
    elif kind in _MEDIA_TYPES and "base64" in block:
        needed = "mime_type"
    if needed and not isinstance(block.get(needed), str):
        raise PydanticCustomError("content_block", "This content block needs a string {field}", {"field": needed})
    return block


# What the OpenAPI document says of blocks.
_BLOCKS: list[dict[str, Any]] = [
    {"properties": {"type": {"const": "text"}, "text": {"type": "string"}}, "required": ["type", "text"]},
    {
        "properties": {
            "type": {"const": "image_url"},
            "image_url": {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]},
        },
        "required": ["type", "image_url"],
    },
    {
        "properties": {"type": {"enum": sorted(_MEDIA_TYPES)}, "url": {"type": "string"}},
        "required": ["type", "url"],
    },
    {
        "properties": {
            "type": {"enum": sorted(_MEDIA_TYPES)},
            "base64": {"type": "string"},
            "mime_type": {"type": "string"},
        },
        "required": ["type", "base64", "mime_type"],
    },
    {
        "description": "Anything else that a model or a tool may know.",
        "properties": {"type": {"type": "string", "not": {"enum": ["text", "image_url", *sorted(_MEDIA_TYPES)]}}},
        "required": ["type"],
    },
]
ContentBlock = Annotated[
    dict[str, Any],
    AfterValidator(_whole_block),
    WithJsonSchema({"anyOf": [{"type": "object", **block} for block in _BLOCKS]}),
]
