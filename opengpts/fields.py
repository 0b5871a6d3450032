"""Model fields of the project's own."""

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.db import models
from django.forms.fields import InvalidJSONInput

from opengpts.errors import Invalid
from opengpts.strict_json import decode_json

_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


class JSONFormField(forms.JSONField):
    """JSON that somebody writes into a form, taken as strictly as a client's: see `opengpts.strict_json`."""

    def to_python(self, value: Any) -> Any:
        if self.disabled or not isinstance(value, str) or value in self.empty_values:
            return super().to_python(value)
        try:
            return decode_json(value)
        except Invalid as exc:
            why = exc.details[0]["ctx"]["error"]
            raise forms.ValidationError(f"Enter a valid JSON. {why}.", code="invalid") from exc

    def bound_data(self, data: Any, initial: Any) -> Any:
        if self.disabled:
            return initial
        try:
            return self.to_python(data)
        except forms.ValidationError:
            # Shown again as it was written.
            return InvalidJSONInput(data)


class JSONTextField(models.TextField):
    """A JSON document kept as text, exactly as it came: key order, `1.0` beside `1`, and NUL inside a string.

    PostgreSQL's jsonb loses all three. Nothing is ever looked up inside these documents, so its
    operators are not missed. Values are what `json.loads` gives. Raises `ValueError` for NaN and infinities.
    """

    if TYPE_CHECKING:
        # What mypy's Django plugin takes for the field's values: any document.
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        return None if value is None else json.loads(value)

    def to_python(self, value: Any) -> Any:
        return value

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else _encode(value)

    def value_to_string(self, obj: models.Model) -> str:
        return self.get_prep_value(self.value_from_object(obj)) or ""

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": JSONFormField, **kwargs})


class SecretsField(JSONTextField):
    """The secrets of a row's config, as `agents.config_secrets` writes them: a list of `{"at": path, "token": text}`.

    `manage.py rotate_secrets` finds the columns of this type. No form has them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"default": list, "editable": False, **kwargs})
