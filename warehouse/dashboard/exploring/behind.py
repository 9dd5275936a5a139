"""The rows behind a mark: all that it was made of, those of last year or of the days before it, too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from warehouse.dashboard import charts, explore, windows
from warehouse.dashboard.explore import Choice, Mark
from warehouse.dashboard.exploring import split
from warehouse.dashboard.exploring.answer import kind_of_column
from warehouse.dashboard.page import Page
from warehouse.dashboard.periods import Span
from warehouse.dashboard.sales import label
from warehouse.semantic.calendar import NOW
from warehouse.semantic.shown import shown

_MOST_ROWS = 500


@dataclass(frozen=True)
class Part:
    """Some of the rows behind a mark: on which days, and the condition that they meet.

    `suffix` ends the name of the answer's column that their sum is in; None where it is in none.
    """

    days: str
    condition: str
    suffix: str | None


def parts(page: Page, choice: Choice, compare: bool, picked: Mark, model: str) -> list[Part]:
    """What a mark is made of, of a model's rows: a growth of two years, a comparison of two spans, most marks of one part."""
    declared, filters, found = page.reader.declared, page.filters, []
    for number, span in enumerate([filters.span, filters.span.before()] if compare else [filters.span]):
        towards, others = _shifting(choice, picked, True), _shifting(choice, picked, False)
        own = windows.own(Span(span.first, min(span.last, page.known.last)), *towards)
        for when in windows.whens(declared, choice.metrics, model):
            if when == NOW:
                condition = explore.behind(explore.where(declared, choice, filters, span), picked)
                text = Span(own[0], own[-1]).text() if own else span.text()
                found.append(Part(text, condition, " before" if number else ""))
                continue
            days = windows.counted(when, str(choice.grain), own)
            if days:  # last year may have had no week 53
                cut = explore.where(declared, Choice(choice.metrics, only=others[1]), filters, leave=("day",))
                condition = " AND ".join(filter(None, [windows.condition(days), explore.behind(cut, others[0])]))
                found.append(Part(Span(days[0], days[-1]).text(), condition, None))
    return found


def _shifting(choice: Choice, picked: Mark, does: bool) -> tuple[Mark, dict[str, tuple[str, ...]]]:
    """Of a mark, and of what it is cut to further, what is of the day that a row counts towards; or what is of its own day."""
    of_days = (*explore.GRAINS, *([windows.WEEKDAY] if choice.grain == "day" else []))
    mark = {name: value for name, value in picked.items() if (name in of_days) == does}
    return mark, {name: values for name, values in choice.only.items() if (name in of_days) == does}


def drawn(page: Page, choice: Choice, compare: bool, row: Mapping[str, Any]) -> None:
    """The rows behind the picked mark."""
    declared = page.reader.declared
    picked = explore.mark(choice.cut, row)
    st.subheader(f"Behind {split.said(picked)}")
    left, right = st.columns(2)
    models = explore.sources(declared, choice.metrics)
    model = left.selectbox("Rows of", models, format_func=label, key="rows_of") if len(models) > 1 else models[0]
    found = parts(page, choice, compare, picked, model)
    part = found[0]
    if len(found) > 1:
        place = right if len(models) > 1 else left
        part = place.selectbox("In", found, format_func=lambda one: one.days, key="rows_in")
    rows, total = page.reader.behind(model, part.condition or None, _MOST_ROWS)
    names = list(declared.reach(model))
    newest = f"; the {'newest' if 'day' in names else 'first'} {_MOST_ROWS} are shown" if total > _MOST_ROWS else ""
    st.caption(f"{counted(total)} of {declared.models[model].table}{_together(page, choice, row, model, part)}{newest}.")
    first = [name for name in ("day", "product", "traffic_channel") if name in names]
    others = [name for name in names if name not in (*first, *explore.GRAINS, "weekday")]
    order = [*first, *(name for name in rows.columns if name not in names), *others]
    config = {name: kind_of_column(name, kind) for name, kind in rows.schema.items()}
    st.dataframe(charts.plain(rows), hide_index=True, height=320, column_config=config, column_order=order)


def _together(page: Page, choice: Choice, row: Mapping[str, Any], model: str, part: Part) -> str:
    """What the rows are together: the mark's own number, or what it was computed from."""
    declared = page.reader.declared
    metric = explore.sums_up(declared, choice.metrics, model)
    if part.suffix is not None and metric:
        number = shown(row[f"{metric}{part.suffix}"], page.reader.metric(metric).format)
        return f", which together are the mark's {label(metric).lower()}{part.suffix}, {number}"
    if len(windows.whens(declared, choice.metrics, model)) == 1 and part.suffix is not None:
        return ""
    bases = [base for name in choice.metrics for base in declared.bases(name) if declared.model_of(base) == model]
    total = page.reader.ask(bases[0], where=part.condition or None).item()
    return f" from {part.days}, whose {label(bases[0]).lower()} is {shown(total, page.reader.metric(bases[0]).format)}"


def counted(count: int) -> str:
    """A number of rows in words."""
    return f"{count:,} row{'' if count == 1 else 's'}"
