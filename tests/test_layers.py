"""The architecture, as ARCHITECTURE.md draws it: who may import whom, and what `import eventwriter` loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "eventwriter"

# Each module may import those above it. Those of one line know nothing of each other.
LAYERS = [
    {"_version", "_log", "_stats", "errors", "_shm", "_os", "_crc32c", "_ring", "_wire", "_checks", "_proto"},
    {"_record", "_array", "proto", "_steps"},
    {"_pending", "_matrix"},
    {"_scalars", "_intake", "_file", "_options", "_messages", "_png", "_wav", "_gif", "_flusher"},
    {"summary", "_disk", "_recover", "_batch"},
    {"_stream", "_decode", "_shared"},
    {"reader", "_kinds"},
    {"_media"},
    {"_verify", "_salvage", "_resume", "_engine"},
    {"writer", "_terminal"},
    {"_show"},
    {"__init__"},
    {"__main__"},
]


def imports(path: Path) -> set[str]:
    """The modules of eventwriter that a file imports, but for types alone."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "eventwriter":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("eventwriter.")}
    return found


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if "_proto" not in p.parts)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    """A module imports only what stands in an earlier layer (a kind also what its folder shares)."""
    name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    level = next((i for i, layer in enumerate(LAYERS) if name in layer), None)
    assert level is not None, f"{name} has no place in LAYERS and ARCHITECTURE.md"
    below = set().union(*LAYERS[:level]) | {"__version__"}
    allowed = below | ({"summary"} if name == "summary" else set())
    if name == "__init__":
        allowed |= {"_stats", "_verify"}
    if name == "_flusher":
        allowed = {"_log"}
    if name == "_kinds":
        allowed |= {"summary"}
    assert imports(path) - allowed == set()


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_is_small_and_says_what_it_is(path: Path) -> None:
    """At most 350 lines, opening with what it knows."""
    text = path.read_text()
    assert len(text.splitlines()) <= 350
    assert ast.get_docstring(ast.parse(text)) or path.name == "_version.py" or not text


def test_no_library_code_imports_a_framework() -> None:
    """Not even late: frameworks are found by what they look like, or in sys.modules."""
    forbidden = {"tensorflow", "tensorboard", "tensorboardX", "torch", "jax", "keras"}
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            elif isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            assert not forbidden & {n.split(".")[0] for n in names}, path


def test_import_loads_little() -> None:
    """`import eventwriter` loads the standard library's lighter part and nothing else."""
    code = "import sys; import eventwriter; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    out = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"numpy", "torch", "tensorflow", "tensorboard", "keras", "jax", "google", "crc32c", "PIL", "isal"}
    assert not heavy & set(out.split())


def test_logging_a_scalar_loads_no_protobuf() -> None:
    """Nor anything but numpy and crc32c."""
    code = (
        "import sys, tempfile, eventwriter; w = eventwriter.EventWriter(tempfile.mkdtemp()); w.scalar('a', 1, 1);"
        "w.close(); print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"google", "torch", "tensorflow", "tensorboard", "PIL"} & set(out.split())
    assert {"numpy", "crc32c"} <= set(out.split())
