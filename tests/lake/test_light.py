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
