"""Captures that may be killed, each in a forked process: run by the `killed` fixture, told on stdin what to do.

Imports cost a second and a fork costs a few milliseconds, so a sweep over every crash point stays quick.
"""

import json
import os
import resource
import sys
import traceback
from pathlib import Path

import connectorx  # noqa: F401
import pandas  # noqa: F401  (pyarrow imports it at its first array)

import lake.sources.mongodb.reader
import lake.sources.mysql.reader  # noqa: F401
from lake import crash, maintenance
from lake.capture import capture
from lake.config import load

for line in sys.stdin:
    task = json.loads(line)
    child = os.fork()
    if not child:
        try:
            crash._SPEC, crash._LEDGER = task["crash"], task["ledger"]
            if task["tidy"]:  # four small files are many, so that compaction takes part
                maintenance._SMALL = ((2**20, 4, 16 * 2**20),)
            if task["file_bytes"]:  # every file ends there, as on a full disk
                resource.setrlimit(resource.RLIMIT_FSIZE, (task["file_bytes"], task["file_bytes"]))
            capture(load(Path(task["config"]), task["env"]))
        except BaseException:
            if not task["file_bytes"]:  # the file of errors could not take it either
                traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
