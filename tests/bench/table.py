"""Figures beside their bounds, as a table on the terminal and between two marks of a page of the docs."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
END = "<!-- end of figures -->"


@dataclass(frozen=True)
class Row:
    """A figure, and the bound it must keep; `kept` None where there is none."""

    what: str
    found: str
    bound: str = ""
    kept: bool | None = None


def lines(rows: Sequence[Row]) -> list[str]:
    """A line of Markdown for each figure."""
    verdict = {True: "kept", False: "MISSED", None: ""}
    return [f"| {row.what} | {row.found} | {row.bound} | {verdict[row.kept]} |" for row in rows]


def table(rows: Sequence[Row]) -> str:
    """The figures as a table of Markdown."""
    return "\n".join(["| | found | bound | |", "|---|---|---|---|", *lines(rows)])


def write(page: str, begin: str, text: str) -> None:
    """Put a table into docs/`page`, between the mark `begin` and the end of figures."""
    file = ROOT / "docs" / page
    before, rest = file.read_text().split(begin)
    file.write_text(f"{before}{begin}\n{text}\n{END}{rest.split(END)[1]}")


def make_shop(data: Path) -> None:
    """A shop by `cartlake demo` in a data folder; ends the program where that fails."""
    env = {name: value for name, value in os.environ.items() if name not in ("MYSQL_URL", "MONGO_URL")}
    command = [str(Path(sys.executable).parent / "cartlake"), "demo"]
    done = subprocess.run(command, env={**env, "CARTLAKE_DATA": str(data)}, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"cartlake demo failed:\n{(done.stdout + done.stderr)[-3000:]}")
