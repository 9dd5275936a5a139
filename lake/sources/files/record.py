"""What every parser of files gives: the raw lines of a record, and its values or why it has none."""

from collections.abc import Sequence
from dataclasses import dataclass

# Also the longest line and field: what is longer is no record. MongoDB's own limit of a document.
LONGEST = 16 * 2**20


@dataclass(frozen=True)
class Bad:
    """A record that cannot be read: the rule that it breaks, why, and its text.

    `open`: the end of the file came before that of the record, so that more of it may follow.
    """

    rule: str
    reason: str
    raw: str
    open: bool = False


# (lines with their ends, values in the order of the columns; None: the lines say nothing, such as a blank one)
Parsed = tuple[list[bytes], Sequence[object] | Bad | None]


def bad_text(raw: bytes) -> str:
    """The text of bytes that are not UTF-8: what cannot be read is written \\xNN."""
    return raw.decode("utf-8", "backslashreplace").rstrip("\r\n")
