"""What every page is filtered by. The choices live in the URL, so that a view can be sent to somebody."""

from collections.abc import Collection
from dataclasses import dataclass

import streamlit as st

from warehouse.dashboard import periods
from warehouse.dashboard.periods import Span
from warehouse.dashboard.reader import Reader

DIMENSIONS = ("country", "category", "channel")
DEFAULT = "Last 365 days"


@dataclass(frozen=True)
class Filters:
    """`chosen` holds the dimensions that are filtered by, with the values let through."""

    span: Span
    chosen: dict[str, tuple[str, ...]]

    def where(self, span: Span | None = None, *more: str, leave: Collection[str] = ()) -> str:
        """The condition of a question, for these days or others, without the dimensions to `leave`."""
        return " AND ".join(
            [(span or self.span).where(), *(is_in(n, v) for n, v in self.chosen.items() if n not in leave), *more]
        )

    def cut(self) -> str:
        """The condition without its days; empty where every value is let through."""
        return " AND ".join(is_in(name, values) for name, values in self.chosen.items())

    def text(self) -> str:
        """For people: the days, and what they are cut to."""
        return " · ".join([self.span.text(), *(", ".join(values) for values in self.chosen.values())])


def is_in(dimension: str, values: Collection[str]) -> str:
    """A condition that a dimension is one of some values."""
    listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    return f"{dimension} IN ({listed})"


def asked_for(reader: Reader, known: Span) -> Filters:
    """Draw the filters into the side bar and return what they say. Bound widgets keep the URL and the choices alike."""
    spans = periods.named(known)
    with st.sidebar:
        name = st.selectbox(
            "Period", [*spans, periods.CUSTOM], index=list(spans).index(DEFAULT), key="period", bind="query-params"
        )
        if name == periods.CUSTOM:
            first = st.date_input("From", spans[DEFAULT].first, key="from", bind="query-params")
            last = st.date_input("To", known.last, key="to", bind="query-params")
            if first > last:
                st.error(f"From {first} is after to {last}: choose an earlier day to start from.")
                st.stop()
            span = Span(first, last)
        else:
            span = spans[name]
        st.caption(f"{span.text()}, {span.compared(known)}")
        chosen = {
            dimension: tuple(found)
            for dimension in DIMENSIONS
            if (
                found := st.multiselect(
                    dimension.capitalize(),
                    sorted(reader.values(dimension)),
                    key=dimension,
                    bind="query-params",
                    placeholder="All",
                )
            )
        }
    return Filters(span, chosen)
