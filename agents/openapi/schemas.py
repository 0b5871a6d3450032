"""The schemas of a document as JSON schemas that stand on their own: no references, no end of nesting."""

from typing import Any
from urllib.parse import unquote

# Schemas in one operation; the rest of a larger one allows anything.
MAX_SCHEMAS = 1_000
_MAX_REFERENCES = 10
_MAX_REFERENCES_WITHIN = 50
_MAX_CHOICES = 20
_MAX_ENUM = 200
_MAX_TEXT = 1_000

_TEXTS = ("description", "format", "pattern")
_NUMBERS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
_TYPES = {"string", "number", "integer", "boolean", "array", "object", "null"}


class Unsupported(Exception):
    """Something in the document that this cannot call. The message ends a sentence about the operation."""


class References:
    """What `$ref` means in one document. Other files and servers are never asked."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def find(self, reference: Any) -> Any:
        """What `reference` points to. Raises `Unsupported` where that is not in the document."""
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise Unsupported("refers to another document: give one that is in one piece")
        found: Any = self._document
        for part in unquote(reference[2:]).split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            found = found.get(key) if isinstance(found, dict) else None
        return found

    def follow(self, node: Any) -> dict[str, Any]:
        """The object that `node` is or refers to. Raises `Unsupported` where there is none."""
        for _ in range(_MAX_REFERENCES):
            if not isinstance(node, dict):
                break
            if "$ref" not in node:
                return node
            node = self.find(node["$ref"])
        raise Unsupported("refers to what the document does not have")


class SchemaReader:
    """Reads the schemas of one operation, as deep as `depth` and `MAX_SCHEMAS` of them."""

    def __init__(self, references: References, depth: int) -> None:
        self._references = references
        self._depth = depth
        self._left = MAX_SCHEMAS

    def read(self, schema: Any) -> dict[str, Any]:
        """`schema` without references; where one leads back to itself or to nowhere, anything is allowed."""
        return self._read(schema, self._depth, frozenset())

    def _read(self, schema: Any, depth: int, within: frozenset[str]) -> dict[str, Any]:
        self._left -= 1
        if not isinstance(schema, dict) or self._left < 0:
            return {}
        if "$ref" in schema:
            return self._referred(schema, depth, within)
        plain = _simple(schema)
        if depth == 0:
            return {**plain, "items": {}} if plain.get("type") == "array" else plain
        for key in ("anyOf", "oneOf", "allOf"):
            if isinstance(schema.get(key), list):
                plain[key] = [self._read(choice, depth - 1, within) for choice in schema[key][:_MAX_CHOICES]]
        if isinstance(schema.get("items"), dict) or plain.get("type") == "array":
            plain["items"] = self._read(schema.get("items"), depth - 1, within)
        if isinstance(schema.get("properties"), dict):
            plain |= self._properties(schema, depth, within)
        additional = schema.get("additionalProperties")
        if isinstance(additional, bool):
            plain["additionalProperties"] = additional
        elif isinstance(additional, dict):
            plain["additionalProperties"] = self._read(additional, depth - 1, within)
        return plain

    def _referred(self, schema: dict[str, Any], depth: int, within: frozenset[str]) -> dict[str, Any]:
        reference = schema["$ref"]
        # What is not text is found nowhere. A long chain of references would exhaust the stack.
        if not isinstance(reference, str) or reference in within or len(within) == _MAX_REFERENCES_WITHIN:
            return {}
        try:
            target = self._references.find(reference)
        except Unsupported:
            return {}
        plain = self._read(target, depth, within | {reference})
        if isinstance(schema.get("description"), str):
            plain["description"] = schema["description"][:_MAX_TEXT]
        return plain

    def _properties(self, schema: dict[str, Any], depth: int, within: frozenset[str]) -> dict[str, Any]:
        properties = {}
        for name, child in schema["properties"].items():
            if self._left < 0:
                break
            if not (isinstance(child, dict) and child.get("readOnly") is True):
                properties[str(name)] = self._read(child, depth - 1, within)
        required = schema.get("required")
        needed = [name for name in required if name in properties] if isinstance(required, list) else []
        return {"properties": properties, **({"required": needed} if needed else {})}


def _simple(schema: dict[str, Any]) -> dict[str, Any]:
    """What of `schema` holds no other schema."""
    plain: dict[str, Any] = {}
    kind = schema.get("type")
    types = [name for name in (kind if isinstance(kind, list) else [kind]) if name in _TYPES]
    # OpenAPI 3.0's word for what 3.1 says as JSON schema does.
    if schema.get("nullable") is True and types and "null" not in types:
        types.append("null")
    if types:
        plain["type"] = types[0] if len(types) == 1 else types
    plain |= {key: schema[key][:_MAX_TEXT] for key in _TEXTS if isinstance(schema.get(key), str)}
    plain |= {key: schema[key] for key in _NUMBERS if type(schema.get(key)) in (int, float)}
    plain |= {key: schema[key] for key in ("default", "const") if isinstance(schema.get(key), str | int | float)}
    if isinstance(schema.get("enum"), list):
        plain["enum"] = [item for item in schema["enum"][:_MAX_ENUM] if not isinstance(item, dict | list)]
    return plain
