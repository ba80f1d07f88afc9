"""Trainings by Ultralytics that tests look at: each case a function, run in a process of its own.

    python tests/ultralytics_trainings.py FOLDER CASE

A case trains below FOLDER and returns what it observed, which is written to FOLDER/facts.json. Must not know what is
made of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ultralytics_sets

ROOT = Path(__file__).parents[1]


def run(folder: Path, case: str) -> None:
    """Run a case in a process of its own. Raises AssertionError with what it said if it fails."""
    folder.mkdir(parents=True)
    (folder / "said.txt").write_text(_run(folder, __file__, str(folder), case))


def example(folder: Path, *options: str) -> str:
    """Run the example with `folder` on its path, logging to `folder`/runs. What it said."""
    return _run(folder, str(ROOT / "examples/ultralytics_shapes.py"), "--logdir", str(folder / "runs"), *options)


def _run(folder: Path, *command: str) -> str:
    path = ":".join(map(str, (folder, ROOT / "tests", ROOT / "shims", ROOT)))
    # Without pytest's variables: Ultralytics' own TensorBoard callback leaves itself out of tests.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = kept | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, errors="replace", env=environment)
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-2000:]
    return done.stdout + done.stderr


def _model(name: str) -> Any:
    from ultralytics import RTDETR, YOLO

    return (RTDETR if name.startswith("rtdetr") else YOLO)(f"{name}.yaml")


def _arguments(folder: Path, name: str = "run", size: int = 64, **more: Any) -> dict[str, Any]:
    data = folder / "set" / "shapes.yaml"
    if not data.exists():
        ultralytics_sets.draw(folder / "set", size)
    usual = {
        "data": str(data), "epochs": 2, "imgsz": size, "batch": 4, "device": "cpu", "workers": 0, "amp": False,
        "project": str(folder), "name": name, "verbose": False, "seed": 3,
    }  # fmt: skip
    return usual | more


def _state(model: Any) -> dict[str, Any]:
    """What must be as it was: modes, random state, kinds and sums of all tensors."""
    import torch

    return {
        "modes": [module.training for module in model.modules()],
        "random": torch.get_rng_state().sum().item(),
        "inference": [name for name, tensor in model.state_dict().items() if tensor.is_inference()],
        "sums": [tensor.double().sum().item() for tensor in model.state_dict().values()],
        "attributes": sorted(f"{name}.{key}" for name, module in model.named_modules() for key in vars(module)),
    }


class Observer:
    """Notes at each hook what the trainer holds, at full precision: {hook: {step: {tag: value}}}."""

    def __init__(self) -> None:
        self.seen: dict[str, dict[int, dict[str, float]]] = {"train": {}, "lr": {}, "metrics": {}}

    def add_to(self, model: Any) -> None:
        model.add_callback("on_train_epoch_end", self.train)
        model.add_callback("on_fit_epoch_end", self.fit)

    def train(self, trainer: Any) -> None:
        losses = trainer.label_loss_items(trainer.tloss, prefix="train")
        self.seen["train"][trainer.epoch + 1] = {tag: float(value) for tag, value in losses.items()}
        self.seen["lr"][trainer.epoch + 1] = {tag: float(value) for tag, value in trainer.lr.items()}

    def fit(self, trainer: Any) -> None:
        self.seen["metrics"][trainer.epoch + 1] = {tag: float(value) for tag, value in trainer.metrics.items()}


def _observed(folder: Path, name: str, size: int, **more: Any) -> Any:
    from eventwriter_ultralytics import add_to

    model = _model(name)
    states: list[dict[str, Any]] = []
    model.add_callback("on_train_start", lambda trainer: states.append(_state(trainer.model)))
    add_to(model)
    model.add_callback("on_train_start", lambda trainer: states.append(_state(trainer.model)))
    observer = Observer()
    observer.add_to(model)
    model.train(**_arguments(folder, size=size, **more))
    return {"seen": observer.seen, "changed": [key for key in states[0] if states[0][key] != states[1][key]]}


def yolo(folder: Path) -> Any:
    """With all that can be logged."""
    return _observed(folder, "yolo11n", 64)


def rtdetr(folder: Path) -> Any:
    """Of its kind: its head needs 300 queries, so images of 192 pixels."""
    ultralytics_sets.draw(folder / "set", 192, 4, 2)
    return _observed(folder, "rtdetr-l", 192, batch=2)


def plain(folder: Path) -> Any:
    """The training of `yolo` with nothing logged."""
    _model("yolo11n").train(**_arguments(folder))
    return {}


def two(folder: Path) -> Any:
    """Two trainers made before either trains, with hooks of one call that have been pickled and added twice."""
    import cloudpickle
    from eventwriter_ultralytics import callbacks
    from ultralytics.models.yolo.detect import DetectionTrainer
    from ultralytics.utils.callbacks import get_default_callbacks

    hooks = get_default_callbacks()
    for added in (cloudpickle.loads(cloudpickle.dumps(callbacks(graph=False, model_info=False))), callbacks()):
        for name, hook in added.items():
            hooks[name].append(hook)
    trainers = [
        DetectionTrainer(
            overrides=_arguments(folder, name, model="yolo11n.yaml", epochs=epochs, plots=False), _callbacks=hooks
        )
        for name, epochs in (("first", 1), ("second", 2))
    ]
    trainers[1].train()
    trainers[0].train()
    return {}


def failing(folder: Path) -> Any:
    """A training that fails in its second epoch, one that has no data, and one whose own hooks fail."""
    from eventwriter_ultralytics import add_to

    from eventwriter import EventWriter

    def fail(trainer: Any) -> None:
        if trainer.epoch == 1:
            raise RuntimeError("in the middle")

    facts: dict[str, Any] = {}
    model = _model("yolo11n")
    add_to(model)
    model.add_callback("on_train_epoch_start", fail)
    try:
        model.train(**_arguments(folder, "middle", epochs=3, plots=False))
    except RuntimeError as error:
        facts["middle"] = str(error)
    facts["open"] = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if n.isdigit() and _is(n)]

    model = _model("yolo11n")
    add_to(model)
    try:
        model.train(**_arguments(folder, "no data", data="nowhere.yaml"))
    except Exception as error:
        facts["no data"] = type(error).__name__

    model = _model("yolo11n")
    add_to(model)
    scalars = EventWriter.scalars

    def broken(self: EventWriter, values: Any, step: Any, **more: Any) -> None:
        if step == 1:
            raise RuntimeError("no scalars today")
        scalars(self, values, step, **more)

    EventWriter.scalars = broken  # type: ignore[method-assign]
    model.train(**_arguments(folder, "own", plots=False))
    EventWriter.scalars = scalars  # type: ignore[method-assign]
    return facts


def _is(number: str) -> bool:
    try:
        return "tfevents" in os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return False


def read_only(folder: Path) -> Any:
    """A folder that takes no event file: from the start, and as a disk that fails later does."""
    import errno

    from eventwriter_ultralytics import add_to

    from eventwriter import _os

    opened, wrote = _os.open, _os.write

    def refuse(path: Any, *more: Any) -> int:
        if "tfevents" in str(path):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)
        return opened(path, *more)

    _os.open = refuse
    model = _model("yolo11n")
    add_to(model)
    model.train(**_arguments(folder, "never", epochs=1, plots=False))
    _os.open = opened

    def full(_number: int, _data: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fill(_trainer: Any) -> None:
        _os.write = full

    def empty(_trainer: Any) -> None:
        _os.write = wrote

    model = _model("yolo11n")
    add_to(model)
    model.add_callback("on_train_epoch_end", fill)
    model.add_callback("on_train_end", empty)
    model.train(**_arguments(folder, "full", epochs=1, plots=False))
    return {}


def switches(folder: Path) -> Any:
    """One after the other switched off, then all; and beside Ultralytics' own callback."""
    from eventwriter_ultralytics import add_to
    from ultralytics import SETTINGS

    everything = ("graph", "hparams", "images", "plots", "per_class", "model_info", "best")
    for off in (*((name,) for name in everything), everything):
        model = _model("yolo11n")
        add_to(model, **dict.fromkeys(off, False))
        name = off[0] if len(off) == 1 else "all"
        model.train(**_arguments(folder, name, size=32, epochs=1, plots=name in ("images", "plots")))
    SETTINGS.update(tensorboard=True)
    model = _model("yolo11n")
    add_to(model)
    model.train(**_arguments(folder, "built-in", size=32, epochs=1, plots=False))
    return {}


def other_rank(folder: Path) -> Any:
    """A trainer of a distributed training's second process, as Ultralytics makes it, and the hooks it runs there."""
    os.environ |= {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}
    from eventwriter_ultralytics import callbacks
    from ultralytics.models.yolo.detect import DetectionTrainer
    from ultralytics.utils.callbacks import get_default_callbacks

    hooks = get_default_callbacks()
    for name, hook in callbacks().items():
        hooks[name].append(hook)
    trainer = DetectionTrainer(overrides=_arguments(folder, model="yolo11n.yaml"), _callbacks=hooks)
    for name in ("on_train_start", "on_train_epoch_end", "on_fit_epoch_end", "on_train_end", "teardown"):
        trainer.run_callbacks(name)
    return {"files": [path.name for path in folder.rglob("*tfevents*")]}


CASES: dict[str, Callable[[Path], Any]] = {
    case.__name__: case for case in (rtdetr, switches, yolo, plain, two, failing, read_only, other_rank)
}

if __name__ == "__main__":
    place = Path(sys.argv[1])
    ultralytics_sets.prepare(place / "config")
    (place / "facts.json").write_text(json.dumps(CASES[sys.argv[2]](place)))
