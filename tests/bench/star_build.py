"""One build of the star in a process of its own: `star_build.py HOME`, where HOME has a cartlake.toml and the inputs below ref/.

Prints the report as one JSON line. What it computes is tests/bench/star; which engine, CARTLAKE_ENGINE__KIND says.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from lake.config import load  # noqa: E402
from transforms.build import build  # noqa: E402
from transforms.table import tables  # noqa: E402


def main() -> int:
    settings = load(Path(sys.argv[1]) / "cartlake.toml")
    report = build(settings, declared=tables("star"))
    steps = [{"table": s.table, "how": s.how, "changed": s.changed, "seconds": round(s.seconds, 2)} for s in report.steps]
    print(json.dumps({"engine": report.engine, "seconds": round(report.seconds, 2), "steps": steps}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
