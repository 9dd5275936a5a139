"""Starting light: what a short process need not import, and memory that it need not keep."""

import ctypes
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

_M_ARENA_MAX = -8  # glibc's <malloc.h>


class _NoPandas:
    """Says that pandas is not installed."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == "pandas":
            raise ModuleNotFoundError(name)
        return None


def without_pandas() -> None:
    """Let pyarrow work without pandas in this process, which it would import at its first array: 0.3 s of CPU.

    It asks once and remembers the answer, so its `to_pandas` fails from then on; `import pandas` works as ever.
    """
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)


def few_arenas() -> None:
    """Let all threads share two of glibc's heaps, where it is the allocator; to be called before they start.

    By default there are eight for each core, and what a thread has freed stays in its own: a snapshot of 50 M rows peaked at
    413 to 445 MB, and at 331 to 338 with two.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)
