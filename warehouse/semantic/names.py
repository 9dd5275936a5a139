"""The way out for a name that is not there."""

import difflib
from collections.abc import Iterable


def like(asked: str, names: Iterable[str]) -> str:
    """The end of a message: the names like it, or all that there are."""
    there = sorted(names)
    close = difflib.get_close_matches(asked.lower(), there, 3, 0.5) or [name for name in there if asked.lower() in name]
    return f"; did you mean {' or '.join(close[:3])}?" if close else f"; there are {', '.join(there)}"
