"""Which table an SQL statement writes, by DuckDB's own lexer: names in texts and comments do not count."""

import re

import duckdb

# The words between a verb and the name of the table that it writes …
_LEADS = {
    "alter": ("table",),
    "comment": ("on",),
    "copy": (),
    "create": ("table",),
    "delete": ("from",),
    "drop": ("table",),
    "insert": ("into",),
    "merge": ("into",),
    "truncate": (),
    "update": (),
}
# … and those that may stand among them.
_AMONG = {"or", "replace", "ignore", "if", "exists", "not", "table", "only"}
_WORD = re.compile(r'"(?:[^"]|"")*"|\w+|\S')


def written(statement: str) -> tuple[str, str] | None:
    """Verb and table, as it is written there; the verb of CREATE OR REPLACE is `replace`. None of what writes no table."""
    words = _words(statement)
    # What is written with comes before the verb: WITH a AS (…) INSERT INTO t.
    places = range(len(words)) if words and words[0].lower() == "with" else range(min(len(words), 1))
    return next((found for place in places if (found := _at(words[place].lower(), words[place + 1 :]))), None)


def _at(verb: str, rest: list[str]) -> tuple[str, str] | None:
    if verb not in _LEADS:
        return None
    low = [word.lower() for word in rest]
    if verb == "create" and "index" in low[:2] and "on" in low:
        return verb, _name(rest[low.index("on") + 1 :])
    replaces = verb == "create" and [word.lower() for word in rest[:2]] == ["or", "replace"]
    for lead in _LEADS[verb]:
        rest = _after(rest, _AMONG - {lead})
        if not rest or rest[0].lower() != lead:
            return None
        rest = rest[1:]
    of_column = verb == "comment" and bool(rest) and rest[0].lower() == "column"
    rest = _after(rest, {*_AMONG, "column"} if verb == "comment" else _AMONG)
    name = _name(rest).rpartition(".")[0] if of_column else _name(rest)
    if not name or (verb == "copy" and "from" not in [word.lower() for word in rest]):
        return None
    return "replace" if replaces else verb, name


def _after(words: list[str], skipped: set[str]) -> list[str]:
    return next((words[place:] for place, word in enumerate(words) if word.lower() not in skipped), [])


def _name(words: list[str]) -> str:
    """A name with its dots at the beginning of these words."""
    name = ""
    for word in words:
        if name and word != "." and not name.endswith("."):
            break
        name += word
    return name if re.match(r'[\w"]', name) else ""


def _words(statement: str) -> list[str]:
    """The words of a statement; a text is '' whatever it says."""
    encoded, found = statement.encode(), []
    for begin, kind in duckdb.tokenize(statement):
        word = _WORD.match(encoded[begin:].decode(errors="replace"))
        if word is not None:
            found.append("''" if "string" in str(kind) else word[0])
    return found
