"""How far a position lies behind the end of a MySQL or MariaDB server's binary log."""

from collections.abc import Sequence
from contextlib import closing

from lake.errors import PermanentFailure
from lake.sources.base import Position
from lake.sources.mysql import stream
from lake.sources.mysql.connect import Server, connect, rows, translated
from lake.sources.mysql.follow import gone, moved

# Events that only describe the log itself: stop, format, previous GTIDs; MariaDB's checkpoint, GTID list, encryption.
_NO_CHANGE = frozenset({3, 15, 35, 161, 163, 164})


def lag(server: Server, position: Position, end: Position) -> tuple[float | None, int | None]:
    """Seconds since the first change that lies behind the position was made, and bytes of log from there to `end`, the server's.

    Both are 0 when nothing lies behind it, and None after a failover, when only global ids tell where to go on. The change may be
    one of a table or database that is not captured: the log is read past it all the same. Raises Transient- or PermanentFailure,
    the latter also when the log can no longer be followed from the position.
    """
    with closing(connect(server)) as connection, translated(server, "binary log"):
        files = [(str(row[0]), int(row[1])) for row in rows(connection, "SHOW BINARY LOGS")]
        why = gone(position, end, min((stream.file_number(name) for name, _ in files), default=0))
        if why:
            raise PermanentFailure(f"{server.where}: {why}")
        if moved(position, end):
            return None, None
        behind = bytes_behind(position, files)
        if not behind:
            return 0.0, 0
        now = float(rows(connection, "SELECT UNIX_TIMESTAMP(NOW(6))")[0][0])
        events = stream.events(connection, position["file"], int(position["pos"]), None)
        first = next((event.timestamp for event in events if event.kind not in _NO_CHANGE), None)
        return (0.0, 0) if first is None else (max(0.0, now - first), behind)


def bytes_behind(position: Position, files: Sequence[tuple[str, int]]) -> int:
    """Bytes of log after a position, given the name and size of each of its files, in their order."""
    number = stream.file_number(position["file"])
    sizes = {stream.file_number(name): size for name, size in files}
    return sum(size for other, size in sizes.items() if other >= number) - int(position["pos"])
