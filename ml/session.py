"""A classic Spark session for Spark ML, which Spark Connect refuses in part. Only ever in a child process: see ml/child.py."""

import importlib
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Models train in threads, and two that are the first to import one of these stumble over each other: KeyError 'pyspark.ml'.
_IMPORTED_AT_ONCE = ("pyspark.ml", "xgboost.spark")


def start(scratch: Path, cores: int, memory: str = "1g") -> "SparkSession":
    """A local session that keeps every file of its own below `scratch` and listens on 127.0.0.1 only. 3 s on two idle cores."""
    from pyspark.sql import SparkSession

    os.environ.update(SPARK_LOCAL_IP="127.0.0.1", SPARK_LOCAL_DIRS=str(scratch), PYSPARK_PYTHON=sys.executable)
    settings = {
        "spark.driver.memory": memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        # The job is over before the second compiler pays: the start and twenty fits took 34 s of processor time instead of 51.
        "spark.driver.extraJavaOptions": f"-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.io.tmpdir={scratch}",
        "spark.sql.shuffle.partitions": str(cores),
        "spark.default.parallelism": str(cores),
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master(f"local[{cores}]").appName("cartlake-ml")
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    for module in _IMPORTED_AT_ONCE:
        importlib.import_module(module)
    session.sparkContext.setLogLevel("ERROR")
    logging.getLogger("XGBoost-PySpark").setLevel(logging.WARNING)
    return session


def stop(session: "SparkSession") -> None:
    """Stop Spark and wait for its JVM: left alone it lives on for seconds, and writes into a folder that is being removed."""
    gateway = session.sparkContext._gateway
    session.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(timeout=30)
