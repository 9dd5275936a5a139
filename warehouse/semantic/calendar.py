"""Last year and moving windows as another calendar to join: a fact's day stands for the day, or days, that it counts towards.

A question about another time is then the same question with this calendar in the place of the shop's own, so that conditions
and dimensions are those of the day it counts towards. Feb 29 counts towards Feb 28 of the next year in months, quarters and
years, and towards no day; week 53 counts towards no week.
"""

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

# Each grain with those that it determines.
_WITHIN = {
    "day": ("day", "week", "month", "quarter", "year"),
    "week": ("week",),
    "month": ("month", "quarter", "year"),
    "quarter": ("quarter", "year"),
    "year": ("year",),
}


@dataclass(frozen=True, order=True)
class When:
    """The days that a measure looks at: those asked for, the same of last year, or the `days` up to each."""

    kind: str = "now"
    days: int = 0

    def column(self, base: str) -> str:
        return {"now": base, "last_year": f"{base}@last_year", "moving": f"{base}@{self.days}"}[self.kind]


NOW = When()
LAST_YEAR = When("last_year")


def finest(grains: list[str]) -> str | None:
    """Of time dimensions the one that determines the others; None where none does."""
    return next((grain for grain in _WITHIN if grain in grains and all(other in _WITHIN[grain] for other in grains)), None)


def stand_in(when: When, grain: str, calendar: ir.Table, times: list[str], last: ir.Value) -> ir.Table:
    """Rows like those of `calendar` (key, day, dimensions) for the days that each day counts towards, up to key `last`.

    `times` are the dimensions that are periods. The others, such as the weekday, stay those of the day itself when last year is
    compared by longer periods: Sundays of a year with Sundays.
    """
    key, day, *names = calendar.columns
    target = calendar.view()
    target = target.filter(target[key] <= last)
    if when.kind == "moving":
        ends = calendar[day] + ibis.interval(days=when.days - 1)
        found = calendar.join(target, [target[day] >= calendar[day], target[day].cast("timestamp") <= ends.cast("timestamp")])
        own: list[str] = []
    else:
        calendar = calendar.mutate(towards=_next_year(calendar[day], grain))
        found = calendar.join(target, calendar.towards == target[day])
        own = [] if grain == "day" else [name for name in names if name not in times]
    shown = {name: (calendar if name in own else target)[name] for name in names}
    return found.select(**{key: calendar[key], day: target[day]}, **shown)


def _next_year(day: ir.Value, grain: str) -> ir.Value:
    """The day that a day is compared with in the year after; null where there is none."""
    same = (day + ibis.interval(years=1)).cast("date")
    if grain == "day":
        return ibis.ifelse((day.month() == 2) & (day.day() == 29), ibis.null("date"), same)
    if grain == "week":
        after = [(day + ibis.interval(days=days)).cast("date") for days in (52 * 7, 53 * 7)]
        found = [ibis.ifelse(later.week_of_year() == day.week_of_year(), later, ibis.null("date")) for later in after]
        return ibis.coalesce(*found)
    return same
