"""Captures that may be killed, each in a forked process: run by the `killed` fixture, told on stdin what to do.

Imports cost a second and a fork costs a few milliseconds, so a sweep over every crash point stays quick.
"""

import json
import os
import sys
import traceback
from pathlib import Path

import connectorx  # noqa: F401
import pandas  # noqa: F401  (pyarrow imports it at its first array)

import lake.sources.mongodb
import lake.sources.mysql  # noqa: F401
from lake import crash
from lake.capture import capture
from lake.config import load

for line in sys.stdin:
    task = json.loads(line)
    child = os.fork()
    if not child:
        try:
            crash._SPEC, crash._LEDGER = task["crash"], task["ledger"]
            capture(load(Path(task["config"]), task["env"]))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
