"""Which transactions somebody has, by their global ids: MariaDB's `domain-server-sequence` and MySQL's `uuid:1-5:7`. Pure."""

import struct
import uuid
from collections.abc import Sequence

_NONE = 0


class Gtids:
    """A set of transactions that grows. In a domain of MariaDB, having one transaction means having those before it."""

    def __init__(self, text: str = "") -> None:
        self._domains: dict[int, tuple[int, int]] = {}  # domain -> (sequence, server)
        self._sets: dict[str, list[list[int]]] = {}  # uuid, perhaps with a tag -> first and last numbers, in order
        for one in filter(None, (part.strip() for part in text.replace("\n", "").split(","))):
            if ":" in one:
                source, *parts = one.split(":")
                tag = ""
                for part in parts:
                    if part[0].isdigit():
                        first, _, last = part.partition("-")
                        self._sets.setdefault(source.lower() + tag, []).append([int(first), int(last or first)])
                    else:
                        tag = ":" + part
            else:
                domain, server, sequence = map(int, one.split("-"))
                self._domains[domain] = sequence, server

    def add(self, source: int | str, server: int, number: int) -> tuple[int, int] | None:
        """A transaction of a MariaDB domain, or of a MySQL server's uuid. Gives what the domain had before, for `without`."""
        if isinstance(source, int):
            previous = self._domains.get(source)
            self._domains[source] = number, server
            return previous
        ranges = self._sets.setdefault(source, [])
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        elif not self.has(source, number):
            self._sets[source] = _tidy([*ranges, [number, number]])
        return None

    def has(self, source: int | str, number: int) -> bool:
        if isinstance(source, int):
            return number <= self._domains.get(source, (_NONE, 0))[0]
        return any(first <= number <= last for first, last in self._sets.get(source, ()))

    def covers(self, other: "Gtids") -> bool:
        """Whether it has all that the other has."""
        return all(self.has(domain, number) for domain, (number, _) in other._domains.items()) and all(
            any(low <= first and last <= high for low, high in self._sets.get(source, ()))
            for source, ranges in other._sets.items()
            for first, last in ranges
        )

    def without(self, source: int | str, number: int, previous: tuple[int, int] | None) -> "Gtids":
        """The same without its newest transaction; `previous` is what `add` gave for it."""
        found = Gtids(self.text())
        if isinstance(source, int):
            found._domains.pop(source, None)
            if previous is not None:
                found._domains[source] = previous
            return found
        ranges = [
            part
            for low, high in found._sets.pop(source, [])
            for part in ([low, min(high, number - 1)], [max(low, number + 1), high])
        ]
        ranges = [part for part in ranges if part[0] <= part[1]]
        if ranges:
            found._sets[source] = _tidy(ranges)
        return found

    def text(self) -> str:
        domains = [f"{domain}-{server}-{number}" for domain, (number, server) in sorted(self._domains.items())]
        sets = [
            ":".join([source, *(f"{first}-{last}" if last > first else f"{first}" for first, last in ranges)])
            for source, ranges in sorted(self._sets.items())
        ]
        return ",".join(domains + sets)

    def sent(self) -> bytes:
        """A MySQL set in the form that COM_BINLOG_DUMP_GTID takes."""
        parts = [struct.pack("<Q", len(self._sets))]
        for source, ranges in sorted(self._sets.items()):
            parts.append(uuid.UUID(source).bytes + struct.pack("<Q", len(ranges)))
            parts += [struct.pack("<QQ", first, last + 1) for first, last in ranges]
        return b"".join(parts)


def common(all_of: Sequence[Gtids]) -> Gtids:
    """What every one has: from there on nobody misses anything."""
    found = Gtids()
    first, *others = all_of
    for domain, (_, _) in first._domains.items():
        if all(domain in other._domains for other in others):
            found._domains[domain] = min(one._domains[domain] for one in all_of)
    for source, ranges in first._sets.items():
        for other in others:
            ranges = [
                [max(low, first), min(high, last)]
                for low, high in ranges
                for first, last in other._sets.get(source, ())
                if max(low, first) <= min(high, last)
            ]
        if ranges:
            found._sets[source] = ranges
    return found


def _tidy(ranges: list[list[int]]) -> list[list[int]]:
    merged: list[list[int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    return merged
