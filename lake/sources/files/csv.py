"""CSV as RFC 4180 has it, with `,`, `;` or tab between the fields: every field is text, exactly as it is written.

An empty field is empty text; null means that the file has no such column. A quoted field may hold line ends. A line whose
fields all hold their column's name is no record: a header in the middle, or the INSERT statement that an export left behind.
"""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lake.sources.files.record import LONGEST, Bad, Parsed, bad_text

Header = Literal["auto", "yes", "no"]

_DELIMITERS = ",;\t"
_NUMBER = re.compile(r"\s*[-+]?[\d.,]*\d[\d.,]*(e[-+]?\d+)?%?\s*", re.IGNORECASE)
_OPEN = "unexpected end of data"

csv.field_size_limit(LONGEST)


@dataclass(frozen=True)
class Head:
    """What the beginning of a file says: its delimiter, its columns, and whether its first record only names them."""

    delimiter: str
    columns: tuple[str, ...]
    named: bool


def head(lines: Iterable[bytes], header: Header, reserved: Sequence[str] = ()) -> Head | None:
    """The head of a file that begins with these lines; None while there is no whole first record.

    `auto`: the first record names the columns when its fields are all different, and none is empty or a number. Without names
    they are c1, c2 … A name that is taken, or one of `reserved`, gets a number: `total`, `total_2`.
    """
    kept = list(lines)
    delimiter = _delimiter(kept)
    first = next((values for _, values in _split(kept, delimiter) if values is not None), None)
    if first is None or isinstance(first, Bad):
        return None
    names = [name.strip() for name in first]
    told = len({name.casefold() for name in names}) == len(names) and not any(not n or _NUMBER.fullmatch(n) for n in names)
    if header == "no" or (header == "auto" and not told):
        return Head(delimiter, tuple(f"c{number}" for number in range(1, len(names) + 1)), False)
    taken = {name.casefold() for name in reserved}
    columns: list[str] = []
    for number, name in enumerate(names, 1):
        wanted = unique = name or f"c{number}"
        count = 2
        while unique.casefold() in taken:
            unique, count = f"{wanted}_{count}", count + 1
        taken.add(unique.casefold())
        columns.append(unique)
    return Head(delimiter, tuple(columns), True)


def records(lines: Iterable[bytes], found: Head, *, at_start: bool) -> Iterator[Parsed]:
    """The records of a file, or of its rest; `at_start`: the lines begin with the record that names the columns, if one does."""
    again = [re.compile(rf"\b{re.escape(name)}\b") for name in found.columns] if found.named and len(found.columns) > 1 else []
    skip, first = at_start and found.named, found.columns[0]
    for raw, values in _split(lines, found.delimiter):
        if values is None or isinstance(values, Bad):
            yield raw, values
        elif skip:
            skip = False
            yield raw, None
        elif len(values) != len(found.columns):
            reason = f"{len(values)} field{'s' * (len(values) != 1)}, and the file has {len(found.columns)} columns"
            yield raw, Bad("fields", reason, _text(raw))
        elif again and first in values[0] and all(map(_holds, again, values)):
            yield raw, Bad("header", "every field holds its column's name: a header or a statement, no record", _text(raw))
        else:
            yield raw, values


def _holds(name: re.Pattern[str], value: str) -> bool:
    return name.search(value) is not None


class _Tape:
    """Decoded lines for the csv module, which remembers those of the record under way and takes lines back."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines, self._back = iter(lines), deque[bytes]()
        self.taken: list[bytes] = []
        self.unreadable = ""

    def __iter__(self) -> "_Tape":
        return self

    def __next__(self) -> str:
        raw = self._back.popleft() if self._back else next(self._lines)
        self.taken.append(raw)
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            self.unreadable = f"not UTF-8: {error.reason} at byte {error.start}"
            return raw.decode("latin-1")

    def begin(self) -> None:
        self.taken, self.unreadable = [], ""

    def back(self, lines: Sequence[bytes]) -> None:
        self._back.extendleft(reversed(lines))


def _split(lines: Iterable[bytes], delimiter: str) -> Iterator[tuple[list[bytes], list[str] | Bad | None]]:
    tape = _Tape(lines)
    reader = csv.reader(tape, delimiter=delimiter, strict=True)
    while True:
        tape.begin()
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # Only the first line is to blame: a quote that nobody closed must not swallow what follows.
            first, *rest = tape.taken
            tape.back(rest)
            reader = csv.reader(tape, delimiter=delimiter, strict=True)
            yield [first], Bad("quotes", f"not CSV: {error}", bad_text(first), open=_OPEN in str(error))
            continue
        if tape.unreadable:
            yield tape.taken, Bad("encoding", tape.unreadable, _text(tape.taken))
        else:
            yield tape.taken, values or None


def _delimiter(lines: Sequence[bytes]) -> str:
    """The one that most often stands outside of quotes in the first line that says something; a comma when none does."""
    line = next((line for line in lines if line.strip()), b"").decode("utf-8", "replace")
    bare = re.sub(r'"[^"]*"', "", line)
    return max(_DELIMITERS, key=bare.count)


def _text(raw: Sequence[bytes]) -> str:
    return bad_text(b"".join(raw))
