"""`python -m bench [NAME …] [OPTION …]`: run the benchmarks named, or all, one after the other.

Each takes those of the options that it knows.
"""

import runpy
import sys
from itertools import takewhile
from pathlib import Path

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))


def main(names: list[str]) -> int:
    """Run each by its name. Returns the exit code: 2 for a name that is none."""
    if unknown := set(names) - set(NAMES):
        print(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    for name in names or NAMES:
        print(f"== {name}", flush=True)
        runpy.run_module(f"bench.{name}", run_name="__main__")
        print(flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(list(takewhile(lambda argument: not argument.startswith("-"), sys.argv[1:]))))
