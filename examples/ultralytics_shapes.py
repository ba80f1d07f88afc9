"""Train a small YOLO on drawn shapes, with everything the callbacks log.

    python examples/ultralytics_shapes.py [--epochs 5] [--model yolo11n.yaml] [--logdir runs/shapes]

Needs ultralytics, and no network: the model is made from its YAML file, the images are drawn. Ends with a table of what
is in the file and the line to type to see it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

SHAPES = ("square", "disc", "bar")


def draw(folder: Path, size: int, train: int = 32, val: int = 8) -> Path:
    """Images with a square, a disc and a bar each, and where they are. The file that describes them."""
    from PIL import Image

    rng = np.random.default_rng(0)
    rows, columns = np.ogrid[:size, :size]
    for split, count in (("train", train), ("val", val)):
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = rng.integers(0, 90, (size, size, 3), np.uint8)
            boxes = []
            for number, name in enumerate(SHAPES):
                half = int(rng.integers(size // 10, size // 5))
                x, y = (int(at) for at in rng.integers(half, size - half, 2))
                across, down = abs(columns - x), abs(rows - y)
                flat = half // 3 if name == "bar" else half
                inside = across**2 + down**2 <= half**2 if name == "disc" else (across <= half) & (down <= flat)
                pixels[inside] = (255, 40 + 100 * number, 255 - 100 * number)
                boxes.append(f"{number} {x / size} {y / size} {2 * half / size} {2 * flat / size}")
            Image.fromarray(pixels).save(folder / "images" / split / f"{index}.png")
            (folder / "labels" / split / f"{index}.txt").write_text("\n".join(boxes))
    names = "\n".join(f"  {number}: {name}" for number, name in enumerate(SHAPES))
    about = folder / "shapes.yaml"
    about.write_text(f"path: {folder.resolve()}\ntrain: images/train\nval: images/val\nnames:\n{names}\n")
    return about


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--model", default="yolo11n.yaml")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--logdir", type=Path, default=Path("runs/shapes"))
    options = parser.parse_args()

    from eventwriter_ultralytics import add_to
    from ultralytics import YOLO

    from eventwriter.__main__ import main as eventwriter

    model = YOLO(options.model)
    add_to(model)
    model.train(
        data=str(draw(options.logdir / "images", options.size)),
        epochs=options.epochs,
        imgsz=options.size,
        batch=8,
        workers=0,
        amp=False,
        project=str(options.logdir.resolve()),
        name="train",
    )
    print()
    eventwriter(["show", str(model.trainer.save_dir)])
    print(f"\nTo see it:  tensorboard --logdir {options.logdir}")


if __name__ == "__main__":
    main()
