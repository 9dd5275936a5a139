"""The days that a mark is made of: its own, and for a growth those of last year, for a moving average those up to it. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from warehouse.dashboard import periods
from warehouse.dashboard.explore import GRAINS, Mark
from warehouse.dashboard.filters import is_in
from warehouse.dashboard.periods import Span
from warehouse.semantic.calendar import LAST_YEAR, NOW, When
from warehouse.semantic.compiled import needed
from warehouse.semantic.declared import Declared

WEEKDAY = "weekday"
_DAY = timedelta(days=1)


def whens(declared: Declared, metrics: Sequence[str], model: str) -> list[When]:
    """At which times metrics look at a model's rows: now first, last year last."""
    found = {when for name in metrics for base, when in needed(declared, name, NOW) if declared.model_of(base) == model}
    return sorted(found, key=lambda when: (when != NOW, when == LAST_YEAR, when.days))


def own(span: Span, picked: Mark, only: Mapping[str, tuple[str, ...]]) -> list[date]:
    """The days of a mark: of a span those in its period, on the weekdays that it is cut to."""
    for grain, value in picked.items():
        if grain in GRAINS and value is not None:
            whole = periods.period(grain, value)
            span = Span(max(span.first, whole.first), min(span.last, whole.last))
    weekdays: list[tuple[str, ...]] = [(str(picked[WEEKDAY]),)] if picked.get(WEEKDAY) else []
    weekdays += [only[WEEKDAY]] if only.get(WEEKDAY) else []
    days = (span.first + number * _DAY for number in range(span.days))
    return [day for day in days if all(f"{day:%A}" in names for names in weekdays)]


def counted(when: When, grain: str, days: Sequence[date]) -> list[date]:
    """The days whose rows count towards some days, in an answer by periods of a grain.

    As warehouse/semantic/calendar.py joins them: the tests compare the two.
    """
    if not days or when == NOW:
        return list(days)
    if when == LAST_YEAR:
        wanted, first = set(days), min(days) - 380 * _DAY
        around = (first + number * _DAY for number in range((max(days) - first).days))
        return [day for day in around if _next_year(day, grain) in wanted]
    return sorted({day - number * _DAY for day in days for number in range(when.days)})


def condition(days: Sequence[date]) -> str:
    """The condition of some days, which are in order."""
    whole = Span(days[0], days[-1])
    return whole.where() if whole.days == len(days) else is_in("day", [str(day) for day in days])


def _next_year(day: date, grain: str) -> date | None:
    """The day that a day is compared with in the year after; None where there is none."""
    if grain == "week":
        after = (day + weeks * 7 * _DAY for weeks in (52, 53))
        return next((later for later in after if later.isocalendar().week == day.isocalendar().week), None)
    if (day.month, day.day) == (2, 29):
        return None if grain == "day" else date(day.year + 1, 2, 28)
    return day.replace(year=day.year + 1)
