"""`make bench`: eventwriter beside its peers, in one run.

    python benchmarks/run.py [scalars] [imports] [kinds] [--json FILE] [--quick]

Prints tables whose ratios are the result: the absolute figures are this machine's, today's. Each sample is a process
of its own; rounds of all peers in rotating order; medians over rounds; ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sample import FAILED
from table import versions

if TYPE_CHECKING:
    from collections.abc import Sequence

MODULES = ("scalars", "imports", "kinds")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write the JSON. SystemExit with status 1 if a peer's process failed."""
    parser = argparse.ArgumentParser(description="Compare eventwriter with its peers.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(MODULES)}; all without")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write versions and every sample")
    parser.add_argument("--quick", action="store_true", help="one round and few calls: shows that it runs, no more")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(MODULES):
        parser.error(f"no benchmark named {', '.join(sorted(unknown))}; there are {', '.join(MODULES)}")
    names = [name for name in MODULES if name in options.names] or MODULES

    begin = time.monotonic()
    found = versions()
    print("\n".join(f"{name:>15}  {version}" for name, version in found.items()), end="\n\n")
    report: dict[str, Any] = {"versions": found, "quick": options.quick, "time": time.time(), "samples": {}}
    caveats = []
    missing: dict[str, str] = {}
    for name in names:
        module = importlib.import_module(name)
        samples, absent = module.measure(quick=options.quick)
        print(module.tables(samples), flush=True)
        report["samples"][name] = [sample._asdict() for sample in samples]
        caveats.append(module.CAVEATS)
        missing |= {f"{peer} ({name})": reason for peer, reason in absent.items()}
    for peer, reason in missing.items():
        print(f"Not measured: {peer}: {reason}")
    print("What these numbers do not show\n------------------------------")
    if options.quick:
        print("Much: with --quick there is one round of few calls, and little of TensorFlow.")
    print("\n".join(caveats))
    print(f"\n{time.monotonic() - begin:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(report | {"missing": missing}, indent=1) + "\n")
    if any(reason.startswith(FAILED) for reason in missing.values()):
        sys.exit(1)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
