import io

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from cache_streams.management.commands import export_typescript
from cache_streams.management.commands.export_typescript import PATH, expression, interface, typescript
from cache_streams.streams import REGISTRY


def test_the_generated_types_are_current() -> None:
    call_command("export_typescript", check=True, stdout=io.StringIO())


def test_every_stream_has_its_object_in_the_file() -> None:
    text = typescript()
    for stream in REGISTRY:
        assert f"  {stream.name}: {stream.payload.__name__};" in text
        assert f"export interface {stream.payload.__name__} {{" in text


def test_a_file_that_differs_is_refused_with_the_command_that_mends_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(settings, "BASE_DIR", tmp_path)
    with pytest.raises(CommandError, match=r"messages\.ts differs .* run `manage\.py export_typescript`"):
        call_command("export_typescript", check=True)
    assert str(PATH).endswith("messages.ts")
    assert export_typescript.Command.help


def test_what_the_server_always_sends_is_no_optional_field() -> None:
    schema = {
        "properties": {
            "a": {"type": "integer"},
            "b": {"type": "string"},
            "c": {"type": "null"},
        },
        "required": ["a", "b"],
    }
    assert interface("It", schema).splitlines() == [
        "export interface It {", "  a: number;", "  b: string;", "  c?: null;", "}"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        ({}, "unknown"),
        ({"$ref": "#/components/schemas/Bar"}, "Bar"),
        ({"enum": ["live", True]}, '"live" | true'),
        ({"anyOf": [{"type": "integer"}, {"type": "number"}, {"type": "null"}]}, "number | null"),
        ({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "(string | null)[]"),
        ({"type": "array", "items": [{"type": "number"}, {"type": "string"}]}, "[number, string]"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "Record<string, boolean>"),
        ({"type": "object"}, "Record<string, unknown>"),
    ],
)
def test_a_schema_becomes_the_type_it_describes(schema: dict[str, object], wanted: str) -> None:
    assert expression(schema) == wanted
