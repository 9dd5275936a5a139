"""Whether gold is fit to be published: no failed check, and tables that belong together."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lake.delta import Lake
from lake.errors import PermanentFailure
from transforms.declaration import Table
from transforms.plan import Progress
from warehouse.describe import Pinned
from warehouse.history import changed_bytes

CHECKS = "meta.checks"


def refuse_unfit(lake: Lake, pins: Sequence[Pinned], tables: Mapping[str, Table], progress: Progress) -> None:
    """PermanentFailure when these versions must not become a release; the last one stays.

    `tables` are all tables of the lake (transforms.catalog), `progress` what each has consumed of its inputs.
    """
    facts = lake.read(CHECKS).to_pylist() if lake.exists(CHECKS) else []
    failed = failed_checks(facts, {(name, rule.name) for name, table in tables.items() for rule in table.rules})
    if failed:
        raise PermanentFailure(f"publish: {'; '.join(failed)}; mend the rows or the rule and build again; the last release stays")
    for table, name, consumed, there in mixed(pins, tables, {pair: seen.version for pair, seen in progress.items()}):
        # Moving rows without changing them (compaction) also makes a version.
        if consumed > there or changed_bytes(lake, name, consumed, there) != 0:
            raise PermanentFailure(
                f"publish: {table} was made from version {consumed} of {name}, which the release would have at {there}: "
                "the last build did not finish; run cartlake build and see what it says; the last release stays"
            )


def failed_checks(facts: Iterable[Mapping[str, Any]], rules: set[tuple[str, str]]) -> list[str]:
    """The `fail` checks that rows broke when they last ran, of rules (table, name) that still exist."""
    last: dict[tuple[str, str], Mapping[str, Any]] = {}
    for fact in sorted(facts, key=lambda fact: fact["at"]):
        last[fact["table"], fact["rule"]] = fact
    return [
        f"{table}: {fact['broken']} rows break the rule {rule}"
        for (table, rule), fact in sorted(last.items())
        if fact["level"] == "fail" and fact["broken"] and (table, rule) in rules
    ]


def mixed(
    pins: Sequence[Pinned], tables: Mapping[str, Table], consumed: Mapping[tuple[str, str], int]
) -> list[tuple[str, str, int, int]]:
    """(table, input, version that it consumed, version that the release would have) wherever the two differ.

    The release's version of an input is the pinned one, or, for an input that is not in the release, the newest that any of
    its tables consumed. After a whole build nothing differs; a table that failed leaves it, and what depends on it, behind.
    """
    published = [pin.table.name for pin in pins]
    pairs = {
        (name, read): consumed[name, read]
        for name in published
        if name in tables
        for read in tables[name].reads
        if read.startswith(("gold.", "silver.")) and (name, read) in consumed
    }
    there: dict[str, int] = {}
    for (_, read), version in pairs.items():
        there[read] = max(version, there.get(read, -1))
    there |= {pin.table.name: pin.version for pin in pins}
    return [(name, read, version, there[read]) for (name, read), version in pairs.items() if version != there[read]]
