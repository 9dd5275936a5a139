"""What the statements in the binary log mean for captured tables. Pure."""

import re
from collections.abc import Iterable

from lake.sources.base import TableId

_NAME = r"(?:`((?:[^`]|``)+)`|([\w$]+))"
_EMPTIES = re.compile(
    r"\s*(?:TRUNCATE(?:\s+TABLE)?|DROP\s+TABLE(?:\s+IF\s+EXISTS)?|RENAME\s+TABLE(?:\s+IF\s+EXISTS)?|CREATE\s+OR\s+REPLACE\s+TABLE)\s+(.*)",
    re.IGNORECASE | re.DOTALL,
)
_EMPTIES_PART = re.compile(
    rf"\s*ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?((?:{_NAME}\.)?{_NAME}).*\b(?:TRUNCATE|DROP|EXCHANGE|RENAME)\s+(?:PARTITION|TO|AS)\b",
    re.IGNORECASE | re.DOTALL,
)
_DROPS_DATABASE = re.compile(rf"\s*DROP\s+(?:DATABASE|SCHEMA)\s+(?:IF\s+EXISTS\s+)?{_NAME}", re.IGNORECASE)
_CHANGES_ROWS = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|REPLACE|LOAD)\b", re.IGNORECASE)
_TAKES_BACK = re.compile(r"\s*ROLLBACK\b", re.IGNORECASE)
_XA = re.compile(r"\s*XA\s+(COMMIT|ROLLBACK)\s+X'([0-9a-f]*)',\s*X'([0-9a-f]*)',\s*(\d+)", re.IGNORECASE)
_COMMENT = re.compile(r"/\*(?!M?!).*?\*/|^\s*--[^\n]*\n", re.DOTALL | re.MULTILINE)

Xid = tuple[int, bytes, bytes]  # format, global part, branch


def schema(body: bytes) -> str:
    """The default database of a QUERY event."""
    size, status = body[8], int.from_bytes(body[11:13], "little")
    return body[13 + status : 13 + status + size].decode("utf-8", "replace")


def statement(body: bytes) -> str:
    """The statement of a QUERY event, without comments."""
    size, status = body[8], int.from_bytes(body[11:13], "little")
    return plain(body[13 + status + size + 1 :].decode("utf-8", "replace"))


def plain(text: str) -> str:
    return _COMMENT.sub(" ", text).strip()


def changes_rows(text: str) -> bool:
    return _CHANGES_ROWS.match(text) is not None


def takes_back(text: str) -> bool:
    """ROLLBACK, also to a savepoint."""
    return _TAKES_BACK.match(text) is not None


def xa_end(text: str) -> tuple[bool, Xid] | None:
    """(whether it commits, which) of the statement that ends a prepared transaction."""
    found = _XA.match(text)
    return (found[1].upper() == "COMMIT", (int(found[4]), bytes.fromhex(found[2]), bytes.fromhex(found[3]))) if found else None


def xa_prepared(body: bytes) -> tuple[bool, Xid]:
    """(whether it is committed in the same step, which) of an XA_PREPARE event."""
    kind, first, second = (int.from_bytes(body[at : at + 4], "little") for at in (1, 5, 9))
    middle = 13 + first
    return bool(body[0]), (kind, body[13:middle], body[middle : middle + second])


def emptied(text: str, database: str, tables: Iterable[TableId]) -> list[TableId]:
    """Which of our tables a statement empties, drops or replaces, wholly or in part."""
    dropped = _DROPS_DATABASE.match(text)
    if dropped:
        return [table for table in tables if table[0] == _unquoted(dropped[1], dropped[2])]
    found = _EMPTIES.match(text) or _EMPTIES_PART.match(text)
    if not found:
        return []
    named = set()
    for names in re.findall(rf"(?:{_NAME}\s*\.\s*)?{_NAME}", found[1]):
        named.add((_unquoted(names[0], names[1]) or database, _unquoted(names[2], names[3])))
    return [table for table in tables if table in named]


def _unquoted(quoted: str | None, plain: str | None) -> str:
    return quoted.replace("``", "`") if quoted else plain or ""
