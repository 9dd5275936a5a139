"""Makes processes that build and die at a crash point. They are forked, with everything imported, from one that has no threads.

A task is a line of JSON on stdin: the lake, where an engine listens, the crash point. The answer is the exit code; -9 if it died.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import deltalake  # noqa: F401
import polars  # noqa: F401
import pyspark.sql.connect.client
import pyspark.sql.functions  # noqa: F401
from pyspark.sql.connect.session import SparkSession

from lake import crash
from lake.config import load
from transforms import build, mirror_update, update, write  # noqa: F401
from transforms.engine import Engine
from transforms.table import tables

tables()


def work(task: dict[str, Any]) -> None:
    """Build, as the task says: `large` sends small tables the large ones' way, where there is more to interrupt."""
    crash._SPEC, crash._LEDGER = task["crash"], task["ledger"]
    if task["large"]:
        update.FEW = write.SMALL = 0
    session = SparkSession.builder.remote(f"sc://{task['engine']}").create()
    build.build(load(Path(task["config"]), {}), task["select"] or None, engine=Engine(session, 2))


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if not child:
            code = 1
            try:
                work(json.loads(line))
                code = 0
            except BaseException as error:
                print(repr(error), file=sys.stderr)
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
