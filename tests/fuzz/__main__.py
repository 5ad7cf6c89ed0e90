"""``python -m fuzz [--count 5000] [--seed 0] [--first 0] [KIND ...]``: prints figures; exit code 1 if one escapes."""

from __future__ import annotations

import argparse
import sys
import time

from .guarded import KINDS, fuzz, summarise


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[[], *KINDS], metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    escaped = 0
    for kind in arguments.kinds or KINDS:
        began = time.monotonic()
        found = fuzz(kind, arguments.count, arguments.seed, arguments.first)
        print(f"{summarise(kind, arguments.count, found)}  [{time.monotonic() - began:.0f} s]", flush=True)
        escaped += len(found.escaped)
    return 1 if escaped else 0


if __name__ == "__main__":
    sys.exit(main())
