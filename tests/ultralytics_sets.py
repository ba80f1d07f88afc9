"""A set of drawn shapes on which Ultralytics trains, made as it is needed, and how it is to be run: without a network.

Must not know what is logged.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

STANDIN = Path(__file__).parent / "ultralytics" / "standin"
SHAPES = ("square", "disc", "bar")


def prepare(config: Path) -> None:
    """Before Ultralytics is imported: its settings in a folder of their own, nothing sent, nothing fetched.

    Where torchvision cannot be loaded, a stand-in for what a training needs of it is put in its place.
    """
    os.environ |= {"YOLO_CONFIG_DIR": str(config), "YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
    os.environ.setdefault("MPLBACKEND", "Agg")
    try:
        import torchvision  # noqa: F401
    except Exception:
        sys.modules.pop("torchvision", None)
        sys.path.insert(0, str(STANDIN))


def draw(folder: Path, size: int = 64, train: int = 8, val: int = 4) -> Path:
    """Images of shapes and their boxes, in the form Ultralytics reads. The file that describes them."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = rng.integers(0, 90, (size, size, 3), np.uint8)
            lines = []
            for shape in range(len(SHAPES)):
                half = int(rng.integers(size // 10, size // 5))
                x, y = (int(v) for v in rng.integers(half, size - half, 2))
                rows, columns = np.ogrid[:size, :size]
                inside = [
                    (abs(columns - x) <= half) & (abs(rows - y) <= half),
                    (columns - x) ** 2 + (rows - y) ** 2 <= half**2,
                    (abs(columns - x) <= half) & (abs(rows - y) <= max(1, half // 3)),
                ][shape]
                pixels[inside] = (255, 40 + 100 * shape, 255 - 100 * shape)
                height = 2 * max(1, half // 3) if shape == 2 else 2 * half
                lines.append(f"{shape} {x / size} {y / size} {2 * half / size} {height / size}")
            Image.fromarray(pixels).save(folder / "images" / split / f"{index}.png")
            (folder / "labels" / split / f"{index}.txt").write_text("\n".join(lines))
    names = "\n".join(f"  {number}: {name}" for number, name in enumerate(SHAPES))
    about = folder / "shapes.yaml"
    about.write_text(f"path: {folder}\ntrain: images/train\nval: images/val\nnames:\n{names}\n")
    return about
