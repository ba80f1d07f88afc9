"""Generates `eventwriter/_proto/` from the `.proto` files beside this script.

    .venv-proto/bin/python proto/generate.py            write the files
    .venv-proto/bin/python proto/generate.py --check    compare only; name what differs and exit 1

Needs grpcio-tools 1.62.3 exactly (dependency group `proto`): its code imports without a warning on protobuf
4.25 to 7, whereas newer generators write code that refuses older runtimes. The result is checked in.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

PROTO = Path(__file__).resolve().parent
ROOT = PROTO.parent
# The folder in the descriptors' file names too: the descriptor pool is global to the process, and a bare
# `event.proto` would collide with TensorFlow's.
PACKAGE = "eventwriter/_proto"
GENERATOR = "1.62.3"


def generate(out: Path) -> None:
    """Writes `*_pb2.py` and `*_pb2.pyi` for every schema under `out/eventwriter/_proto`."""
    sources = [f"{PACKAGE}/{path.name}" for path in sorted(PROTO.glob("*.proto"))]
    wellknown = files("grpc_tools") / "_proto"  # google/protobuf/struct.proto
    arguments = [
        "protoc",
        f"-I{PACKAGE}={PROTO}",
        f"-I{wellknown}",
        f"--python_out={out}",
        f"--pyi_out={out}",
    ]
    if protoc.main([*arguments, *sources]) != 0:
        sys.exit("protoc failed")
    for stub in (out / PACKAGE).glob("*.pyi"):
        stub.write_text(strict(stub.read_text()))


def strict(stub: str) -> str:
    """A stub that `mypy --strict` accepts: the generator leaves `Mapping` without its parameters."""
    typed = stub.replace("_Mapping]", "_Mapping[str, _Any]]")
    if typed == stub:
        return stub
    return typed.replace("from typing import ", "from typing import Any as _Any, ", 1)


def stale(fresh: Path, kept: Path) -> list[str]:
    """Names of generated files that differ, are missing, or no longer have a schema."""
    names = {path.name for folder in (fresh, kept) for path in folder.glob("*_pb2.py*")}
    return sorted(name for name in names if read(fresh / name) != read(kept / name))


def read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def main() -> int:
    parser = argparse.ArgumentParser(description="Generate eventwriter/_proto from proto/*.proto.")
    parser.add_argument("--check", action="store_true", help="compare only, exit 1 if a file is stale")
    check = parser.parse_args().check
    if version("grpcio-tools") != GENERATOR:
        sys.exit(f"want grpcio-tools {GENERATOR}, got {version('grpcio-tools')}")
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh, kept = Path(folder) / PACKAGE, ROOT / PACKAGE
        different = stale(fresh, kept)
        if check:
            for name in different:
                sys.stdout.write(f"stale: {PACKAGE}/{name}\n")
            return 1 if different else 0
        for name in different:
            content = read(fresh / name)
            if content is None:
                (kept / name).unlink()
            else:
                (kept / name).write_bytes(content)
            sys.stdout.write(f"wrote {PACKAGE}/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
