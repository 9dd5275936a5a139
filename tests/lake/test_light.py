"""A process that only captures does not pay for pandas."""

import subprocess
import sys

PROGRAM = """
import sys
from lake.light import without_pandas
without_pandas()
import pyarrow as pa
assert pa.table({"a": [1, None]}).num_rows == 2
assert "pandas" not in sys.modules
import pandas
print(pandas.DataFrame({"a": [1]}).shape)
"""


def test_pyarrow_works_without_pandas_and_pandas_is_still_there() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.stdout == "(1, 1)\n", done.stderr


def test_few_arenas_can_be_asked_for_before_any_work() -> None:
    program = "from lake.light import few_arenas; few_arenas(); import pyarrow as pa; print(pa.array(range(10)).to_pylist()[-1])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "9\n", done.stderr
