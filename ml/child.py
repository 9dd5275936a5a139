"""Runs Spark ML in a process of its own, since one Python process cannot hold a Sail and a classic Spark session.

The hand-over is a folder: `job.json` and a folder of files for each model in, `result.json` out. The child's stdout is a line of
JSON per step done; it ends by itself when this process dies.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lake.errors import PermanentFailure, TransientFailure
from ml.life.store import QUIET
from transforms.engine import java

log = logging.getLogger(__name__)
Progress = Callable[[str, int, int], None]  # what, done, total (0: unknown)
_ROOT = Path(__file__).resolve().parent.parent
# Spark reads these too, and would go elsewhere or refuse a classic session.
_FOREIGN = ("SPARK_REMOTE", "SPARK_HOME", "SPARK_CONF_DIR", "SPARK_CONNECT_MODE_ENABLED", "PYSPARK_SUBMIT_ARGS", "MASTER")


@contextmanager
def hand_over(data: Path) -> Iterator[Path]:
    """A fresh folder for one job. The caller holds the lock `train`, so what an earlier, killed job left here is removed."""
    parent = data / "mlflow" / "jobs"
    shutil.rmtree(parent, ignore_errors=True)
    parent.mkdir(parents=True)
    try:
        yield Path(tempfile.mkdtemp(dir=parent))
    finally:
        shutil.rmtree(parent, ignore_errors=True)


def run(folder: Path, job: Mapping[str, Any], on_progress: Progress | None = None) -> dict[str, Any]:
    """Do the job described in `job` with the files in `folder`; returns what the child found out."""
    (folder / "job.json").write_text(json.dumps(dict(job), indent=1))
    environment = _environment(folder)
    with (folder / "log").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "ml.job", str(folder)],
            cwd=folder,  # Spark leaves files in its working directory
            env=environment,
            stdin=subprocess.PIPE,  # its end tells the child that we are gone
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        try:
            assert process.stdout is not None
            for done, line in enumerate(process.stdout, start=1):
                if on_progress:
                    on_progress(json.loads(line)["label"], done, 0)
            code = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()
    return _result(folder, code)


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    path = os.pathsep.join(filter(None, [str(_ROOT), kept.get("PYTHONPATH")]))
    # The MLflow of the user's shell is not ours.
    kept = {name: value for name, value in kept.items() if not name.startswith("MLFLOW_")}
    return kept | QUIET | {"JAVA_HOME": str(java.home(folder)), "PYTHONPATH": path, "MLFLOW_DFS_TMP": str(folder / "dfs")}


def _result(folder: Path, code: int) -> dict[str, Any]:
    said = (folder / "log").read_text(errors="replace")
    if code == 0:
        log.debug("%s", said)
        return dict(json.loads((folder / "result.json").read_text()))
    kept = folder.parent.parent / "failed-job.log"
    kept.write_text(said)
    if code < 0:
        raise TransientFailure(f"training was killed by signal {-code}, often for lack of memory; its output is in {kept}")
    last = next((line for line in reversed(said.splitlines()) if line.strip() and not line.startswith("\t")), "no output")
    raise PermanentFailure(f"training failed: {last.strip()[:300]}; its whole output is in {kept}")
