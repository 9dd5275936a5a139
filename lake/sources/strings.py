"""Texts as Arrow has them."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa


def strings(texts: Sequence[str]) -> pa.StringArray:
    """A column of these texts, in a fifth of the time that pyarrow needs for a list. A batch is far below 2 GB."""
    data = "".join(texts)
    packed = data.encode()
    sizes = map(len, texts) if len(packed) == len(data) else (len(text.encode()) for text in texts)
    ends = np.cumsum(np.fromiter(sizes, np.int64, len(texts)))
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(packed))
