"""The combined log format of Apache and nginx, line by line."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

import pyarrow as pa

from lake.sources.base import TIMESTAMP
from lake.sources.files.record import Bad, Parsed, bad_text

COLUMNS = pa.schema(
    [
        *[(name, pa.string()) for name in ("host", "ident", "user")],
        ("at", TIMESTAMP),
        *[(name, pa.string()) for name in ("method", "path", "protocol")],
        ("status", pa.int32()),
        ("bytes", pa.int64()),
        ("referer", pa.string()),
        ("agent", pa.string()),
    ]
)
_QUOTED = r'"([^"\\]*(?:\\.[^"\\]*)*)"'
LINE = re.compile(rf"(\S+) (\S+) (.+?) \[([^\]]+)\] {_QUOTED} (\d{{3}}) (\d+|-) {_QUOTED} {_QUOTED}\s*")
_DAY = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}) ([+-])(\d\d)(\d\d)")
_CLOCK = re.compile(r"(\d{2}/\w{3}/\d{4}):(\d\d):(\d\d):(\d\d)( [+-]\d{4})")
_MONTHS = {
    name: number
    for number, name in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)  # noqa: SIM905
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def records(lines: Iterable[bytes]) -> Iterator[Parsed]:
    """Each line with its values, in the order of `COLUMNS`; `-` is null. A request that is no request is kept as the path."""
    for raw in lines:
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            yield [raw], Bad("encoding", f"not UTF-8: {error.reason} at byte {error.start}", bad_text(raw))
            continue
        found = LINE.fullmatch(text)
        if found is None:
            yield [raw], None if not text.strip() else Bad("format", "not a line of the combined log format", text.rstrip("\r\n"))
            continue
        host, ident, user, at, request, status, size, referer, agent = found.groups()
        try:
            moment = _moment(at)
        except ValueError as error:
            yield [raw], Bad("time", str(error), text.rstrip("\r\n"))
            continue
        method, path, protocol = _request(request)
        count = None if size == "-" else int(size)
        yield (
            [raw],
            (host, _told(ident), _told(user), moment, method, path, protocol, int(status), count, _told(referer), _told(agent)),
        )


def _told(text: str) -> str | None:
    return None if text == "-" else text


def _request(text: str) -> tuple[str | None, str | None, str | None]:
    parts = text.split(" ")
    if len(parts) == 3 and parts[2].startswith("HTTP/"):
        return parts[0], parts[1], parts[2]
    return None, _told(text), None


def _moment(text: str) -> int:
    """Microseconds since 1970 in UTC. ValueError: no such moment."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time such as 17/May/2015:10:05:03 +0000")
    day, hour, minute, second, zone = found.groups()
    if int(hour) > 23 or int(minute) > 59 or int(second) > 60:
        raise ValueError(f"{text!r} is no time of a day")
    return _midnight(day + zone) + ((int(hour) * 60 + int(minute)) * 60 + int(second)) * 1_000_000


@lru_cache(maxsize=4096)
def _midnight(text: str) -> int:
    found = _DAY.fullmatch(text)
    if found is None or found[2] not in _MONTHS:
        raise ValueError(f"{text!r} is no day and zone")
    zone = timedelta(hours=int(found[5]), minutes=int(found[6])) * (-1 if found[4] == "-" else 1)
    try:
        day = datetime(int(found[3]), _MONTHS[found[2]], int(found[1]), tzinfo=timezone(zone))
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None
    return (day - _EPOCH) // timedelta(microseconds=1)
