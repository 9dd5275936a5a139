"""Which of our tables the rows events of a log belong to, and how they are laid out: told by the table map event before them."""

from collections.abc import Mapping

from lake.sources.base import TableId
from lake.sources.mysql import stream as log
from lake.sources.mysql.batch import Captured
from lake.sources.mysql.cells import Unreadable
from lake.sources.mysql.images import CREATED, DELETED, UPDATED, Shape, shape
from lake.sources.mysql.rows import Layout, layout, table_map, table_name
from lake.sources.mysql.values import UnknownCharset

OPS = {
    log.WRITE_V1: CREATED, log.WRITE_V2: CREATED, log.UPDATE_V1: UPDATED, log.UPDATE_V2: UPDATED,
    log.DELETE_V1: DELETED, log.DELETE_V2: DELETED,
}  # fmt: skip


class Known:
    """A table of the log that we want, in one layout; or why rows of this layout cannot be read."""

    def __init__(self, table: TableId, layout: Layout | None, why: str) -> None:
        self.table, self.layout, self.why = table, layout, why
        self.shapes: dict[bytes, Shape] = {}

    def shape(self, kind: int, body: bytes) -> Shape:
        assert self.layout is not None
        at = 8 + (int.from_bytes(body[8:10], "little") if kind >= log.WRITE_V2 else 0)
        # What stands before the first image has at most this length, and with the kind and the image's first bytes is all that
        # a shape depends on; so the first bytes of an image make more shapes only when the bitmaps differ.
        columns = len(self.layout.codecs)
        width = (columns + 7) // 8
        head = at + (1 if columns < 251 else 3) + width * (2 if OPS[kind] == UPDATED else 1)
        key = bytes((kind,)) + body[8:head]
        found = self.shapes.get(key)
        if found is None:
            found = self.shapes[key] = shape(self.layout, OPS[kind], body, at)
        return found


class Layouts:
    """Table maps come before every change, and nearly all are as the one before: those are only looked up."""

    def __init__(self, tables: Mapping[TableId, Captured]) -> None:
        self._tables = dict(tables)
        self._by_event: dict[bytes, Known | None] = {}
        self._by_content: dict[bytes, Known] = {}
        self.announced: dict[bytes, Known | None] = {}  # table's number -> what it stands for now

    def announce(self, body: bytes) -> None:
        """Take in a table map event."""
        self.announced[body[:6]] = self._by_event[body] if body in self._by_event else self._new(body)

    def _new(self, body: bytes) -> Known | None:
        _, database, name = table_name(body)
        captured, known = self._tables.get((database, name)), None
        if captured is not None:
            described = body[8:]  # all but the table's number and flags
            known = self._by_content.get(described)
            if known is None:
                try:
                    known = Known(captured.id, layout(table_map(body), captured.columns, captured.key), "")
                except (Unreadable, UnknownCharset) as error:
                    known = Known(captured.id, None, str(error))  # which only matters if the table lacks such rows
                self._by_content[described] = known
        self._by_event[body] = known
        return known
