import json

import pytest
from pydantic import BaseModel

from opengpts.bodies import Name, parse_body
from opengpts.errors import BadRequest, Invalid

pytestmark = pytest.mark.once


JSON = "application/json"


class Body(BaseModel):
    name: Name
    size: int = 0


def complaint(raw: bytes, content_type: str | None = "application/json") -> dict[str, object]:
    with pytest.raises(Invalid) as caught:
        parse_body(Body, raw, content_type)
    return caught.value.details[0]


def test_a_body_that_fits_is_the_model() -> None:
    assert parse_body(Body, b'{"name": "x", "other": 1}', "application/json; charset=utf-8") == Body(name="x")


@pytest.mark.parametrize(
    ("raw", "type_", "loc"),
    [
        (b"", "missing", ["body"]),
        (b"null", "missing", ["body"]),
        (b"{}", "missing", ["body", "name"]),
        (b'{"name": 5}', "string_type", ["body", "name"]),
        (b"[1]", "model_attributes_type", ["body"]),
        (b'{"name": "x", ', "json_invalid", ["body", 14]),
        (b'{"name": "x", "size": NaN}', "json_invalid", ["body", 0]),
        (b'{"name": "x", "size": 1e400}', "json_invalid", ["body", 0]),
        (b'{"name": "x", "other": -1e400}', "json_invalid", ["body", 0]),
        (b"[" + b"0," * 1_000_000 + b"0]", "json_invalid", ["body", 0]),
        (b'{"name": "\\ud800"}', "json_invalid", ["body", 0]),
        (b'{"name": "a\\u0000b"}', "string_nul", ["body", "name"]),
        (b"[" * 100_000, "json_invalid", ["body", 0]),
        *(
            (b'{"name": ' + b"[" * depth + b"]" * depth + b"}", "json_invalid", ["body", 0])
            for depth in (100, 500, 900)
        ),
        (b'{"name": "x", "size": ' + b"9" * 5000 + b"}", "json_invalid", ["body", 0]),
        (json.dumps({"name": "n" * 256}).encode(), "string_too_long", ["body", "name"]),
    ],
    ids=lambda value: None if isinstance(value, list) else str(value)[:20],
)
def test_what_does_not_fit_is_told_as_the_original_tells_it(raw: bytes, type_: str, loc: list[object]) -> None:
    found = complaint(raw)
    assert found["type"] == type_
    if type_ != "json_invalid":
        assert found["loc"] == loc
    else:
        assert found["msg"] == "JSON decode error"


def test_a_name_of_255_characters_and_an_emoji_pair_are_text() -> None:
    assert parse_body(Body, json.dumps({"name": "n" * 255}).encode(), JSON).name == "n" * 255
    assert parse_body(Body, b'{"name": "\\ud83d\\ude00"}', JSON).name == "\N{GRINNING FACE}"


def test_a_hundred_levels_are_not_too_deep() -> None:
    raw = b'{"name": "x", "other": ' + b"[" * 99 + b"]" * 99 + b"}"
    assert parse_body(Body, raw, JSON).name == "x"


@pytest.mark.parametrize("content_type", [None, "", "application/x-www-form-urlencoded"])
def test_json_must_be_called_so(content_type: str | None) -> None:
    assert complaint(b'{"name": "x"}', content_type)["type"] == "model_attributes_type"


def test_a_body_of_another_type_is_a_string_that_no_model_takes() -> None:
    assert complaint(b'{"name": "x"}', "text/plain")["type"] == "model_attributes_type"


def test_bytes_that_are_no_text_are_a_bad_request() -> None:
    with pytest.raises(BadRequest):
        parse_body(Body, b'{"name": "\xff"}', "application/json")


@pytest.mark.parametrize("text", ["{}," * 100_001, '"",' * 100_001, '"a":[],' * 100_001], ids=str.__len__)
def test_more_values_than_are_taken_are_not_even_read(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("opengpts.bodies.json.loads")
    for raw in (f'{{"name": "x", "other": [{text}', f'["\\\\", "\\"", {text}'):
        # Twice as many marks as values are what a body that can be taken may have.
        assert complaint((raw + text).encode())["ctx"] == {"error": "More than 100000 values"}


def test_text_may_hold_any_number_of_what_separates_values() -> None:
    text = '[{,"' * 300_000 + "\\"
    assert parse_body(Body, json.dumps({"name": "x", "other": text}).encode(), JSON).name == "x"
    values = [{"a": "[{,"}] * 49_000
    assert parse_body(Body, json.dumps({"name": "x", "other": values}).encode(), JSON).name == "x"
