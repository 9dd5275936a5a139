"""NDJSON: one JSON object a line, kept as the text that it is."""

import json
from collections.abc import Iterable, Iterator

import pyarrow as pa

from lake.sources.files.record import Bad, Parsed, bad_text

COLUMNS = pa.schema([("document", pa.string())])


def records(lines: Iterable[bytes]) -> Iterator[Parsed]:
    """Each line's text, if it is a JSON object."""
    for raw in lines:
        try:
            text = raw.decode().strip()
        except UnicodeDecodeError as error:
            yield [raw], Bad("encoding", f"not UTF-8: {error.reason} at byte {error.start}", bad_text(raw))
            continue
        yield [raw], _checked(text)


def _checked(text: str) -> tuple[str] | Bad | None:
    if not text:
        return None
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return Bad("json", f"not JSON: {error}", text)
    return (text,) if isinstance(found, dict) else Bad("json", "not a JSON object", text)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
