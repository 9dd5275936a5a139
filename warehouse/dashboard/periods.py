"""Spans of days with names, and the span that each is compared with. Pure."""

from calendar import monthrange
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

CUSTOM = "Custom"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """Days from `first` to `last`, both within."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def where(self) -> str:
        """The span as a condition of a question."""
        return f"day BETWEEN '{self.first}' AND '{self.last}'"

    def before(self) -> "Span":
        """What the span is compared with.

        A month, quarter or year, whole or under way, is compared with the one before it, up to the same day of it; other spans
        with as many days right before.
        """
        for months in (1, 3, 12):  # the first of January alone could mean any of them: the month is what is least
            start = _start(self.first, months)
            if start == self.first and self.last <= _end(start, months):
                earlier = _shifted(start, -months)
                whole = self.last == _end(start, months)
                return Span(
                    earlier, _end(earlier, months) if whole else min(earlier + (self.last - start), _end(earlier, months))
                )
        return Span(self.first - timedelta(days=self.days), self.first - _DAY)

    def known_before(self, known: "Span") -> "Span | None":
        """What the span is compared with, where all of it is in the days that are known; a part would make any number grow."""
        earlier = self.before()
        return earlier if earlier.first >= known.first else None

    def compared(self, known: "Span") -> str:
        """For people: what the span is compared with."""
        earlier = self.known_before(known)
        return f"compared with {earlier.text()}" if earlier else "not compared: not all days of the period before are known"

    def text(self) -> str:
        """For people: 1 Jan 2026 to 22 Nov 2026."""
        return _said(self.first) if self.first == self.last else f"{_said(self.first)} to {_said(self.last)}"


def named(known: Span) -> dict[str, Span]:
    """The spans that can be chosen by name, inside the days that are known: the last one is `today`."""
    today = known.last
    made: dict[str, Callable[[], Span]] = {
        "Last 28 days": lambda: Span(today - 27 * _DAY, today),
        "Last 90 days": lambda: Span(today - 89 * _DAY, today),
        "Last 365 days": lambda: Span(today - 364 * _DAY, today),
        "This month": lambda: Span(_start(today, 1), today),
        "Last month": lambda: _whole(_shifted(_start(today, 1), -1), 1),
        "This quarter": lambda: Span(_start(today, 3), today),
        "Last quarter": lambda: _whole(_shifted(_start(today, 3), -3), 3),
        "This year": lambda: Span(_start(today, 12), today),
    }
    years = {str(year): _whole(date(year, 1, 1), 12) for year in range(today.year - 1, known.first.year - 1, -1)}
    return {name: span() for name, span in made.items()} | years | {"All time": known}


def month(text: str) -> Span:
    """The month of a text such as 2026-10. ValueError for any other text."""
    year, _, number = text.partition("-")
    return _whole(date(int(year), int(number), 1), 1)


def period(grain: str, value: str) -> Span:
    """The days of a period as the metrics layer writes it: 2026-01-31, 2026-W05, 2026-01, 2026-Q1, 2026."""
    if grain == "day":
        return Span(date.fromisoformat(value), date.fromisoformat(value))
    if grain == "week":
        year, number = map(int, value.split("-W"))
        first = date.fromisocalendar(year, number, 1)
        return Span(first, first + 6 * _DAY)
    if grain == "month":
        return month(value)
    if grain == "quarter":
        year, number = map(int, value.split("-Q"))
        return _whole(date(year, 3 * number - 2, 1), 3)
    return _whole(date(int(value), 1, 1), 12)


def in_part(grain: str, values: Iterable[Any], span: Span, known: Span) -> list[str]:
    """Of periods those that are not whole, because the span, or what is known, begins or ends within them."""
    first, last = max(span.first, known.first), min(span.last, known.last)
    named = [str(value) for value in dict.fromkeys(values)]
    return [name for name in named if (days := period(grain, name)).first < first or days.last > last]


def last_whole_month(known: Span) -> Span:
    """The last month whose last day is known, or has passed."""
    this = _whole(_start(known.last, 1), 1)
    return this if this.last == known.last else _whole(_shifted(this.first, -1), 1)


def _whole(start: date, months: int) -> Span:
    return Span(start, _end(start, months))


def _start(day: date, months: int) -> date:
    """The first day of the month, quarter or year of a day."""
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def _end(start: date, months: int) -> date:
    last = _shifted(start, months - 1)
    return last.replace(day=monthrange(last.year, last.month)[1])


def _shifted(start: date, months: int) -> date:
    number = start.year * 12 + start.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def _said(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
