"""shims/eventwriter_ultralytics: its parts, without a training."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import readers
import torch
import ultralytics_sets
from eventwriter_ultralytics import _model, _per_class, _plots, _say, add_to, callbacks


@pytest.fixture(scope="module", autouse=True)
def _ultralytics(tmp_path_factory: pytest.TempPathFactory) -> None:
    ultralytics_sets.prepare(tmp_path_factory.mktemp("config"))


def test_hooks_have_the_names_of_events() -> None:
    """As `add_callback` wants them."""
    names = {"on_pretrain_routine_start", "on_train_start", "on_train_epoch_end", "on_fit_epoch_end", "teardown"}
    assert names <= callbacks().keys()
    assert all(callable(hook) for hook in callbacks().values())


def test_what_is_no_model_raises() -> None:
    """With what was got."""
    with pytest.raises(TypeError, match=r"want a model of Ultralytics \(with add_callback\), got Linear"):
        add_to(torch.nn.Linear(1, 1))


def test_importing_it_imports_neither_torch_nor_ultralytics() -> None:
    """Who adds the hooks has imported them already; who only reads the module need not."""
    code = "import sys, eventwriter_ultralytics; print({'torch', 'ultralytics', 'tensorboard'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "set()" == done.stdout.strip()


def test_hooks_without_a_run_do_nothing() -> None:
    """As on every rank but the first: Ultralytics begins the run on that alone."""
    trainer = SimpleNamespace(epoch=0)
    for name, hook in callbacks().items():
        if name != "on_pretrain_routine_start":
            hook(trainer)
    assert {"epoch": 0} == vars(trainer)


class _Trainer:
    """What the hooks see of a trainer, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.save_dir = folder
        self.best = folder / "best.pt"
        self.callbacks: dict[str, list[Any]] = {}
        self.epoch = 0
        self.tloss, self.lr = 0.5, {"lr/pg0": 0.1}
        self.metrics: dict[str, Any] = {"metrics/mAP50(B)": 0.25}
        self.validator = SimpleNamespace()
        self.model = torch.nn.Conv2d(3, 4, 3)
        self.args, self.data = SimpleNamespace(imgsz=8), {"channels": 3}

    def label_loss_items(self, loss: float, prefix: str) -> dict[str, float]:
        return {f"{prefix}/box_loss": loss}


def _trained(trainer: _Trainer, **options: bool) -> dict[str, list[tuple[int, float]]]:
    """Of a training of one epoch, with best weights, the scalars: tag to steps and values."""
    off = dict.fromkeys(("graph", "hparams", "images", "plots", "model_info"), False)
    hooks = callbacks(**off | options)
    for name in ("pretrain_routine_start", "train_start", "train_epoch_end", "fit_epoch_end", "fit_epoch_end"):
        hooks[f"on_{name}"](trainer)
    hooks["on_train_end"](trainer)
    hooks["teardown"](trainer)
    found: dict[str, list[tuple[int, float]]] = {}
    for row in readers.run_events(trainer.save_dir):
        if row.kind == "simple_value":
            found.setdefault(row.tag, []).append((row.step, row.value))
    return found


def test_best_weights_are_known_by_the_order_of_hooks(tmp_path: Path) -> None:
    """Not by the epoch: before 8.4.100 Ultralytics gives them the last epoch's."""
    got = _trained(_Trainer(tmp_path))
    assert [(1, 0.25), (1, 0.25)] == got["metrics/mAP50(B)"]
    assert [(1, 0.25)] == got["best/metrics/mAP50(B)"]


def test_metrics_may_be_tensors_and_arrays(tmp_path: Path) -> None:
    """Of one element, as a validator of one's own may give them. What is no number is left out."""
    trainer = _Trainer(tmp_path)
    trainer.metrics = {
        "tensor": torch.tensor([0.5]), "zero_d": np.array(0.25), "float32": np.float32(0.75),
        "words": "0.5", "many": torch.zeros(2), "none": None,
    }  # fmt: skip
    got = {tag: p[0] for tag, p in _trained(trainer).items() if "/" not in tag}
    assert {"tensor": (1, 0.5), "zero_d": (1, 0.25), "float32": (1, 0.75)} == got


def test_a_part_that_fails_takes_no_other_and_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph and the best weights are logged all the same; classes fail twice."""

    def broken(_given: Any) -> None:
        raise RuntimeError("not today")

    said: list[str] = []
    monkeypatch.setattr(_say, "warning", said.append)
    monkeypatch.setattr(_model, "info", broken)
    monkeypatch.setattr(_per_class, "scalars", broken)
    trainer = _Trainer(tmp_path)
    assert "best/metrics/mAP50(B)" in _trained(trainer, model_info=True, graph=True)
    assert "graph_def" in {row.kind for row in readers.run_events(tmp_path)}
    reason = "is not logged, the training goes on: RuntimeError: not today"
    assert [f"model_info {reason}", f"per_class {reason}"] == said


def test_a_file_that_cannot_be_closed_does_not_stop_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ultralytics closes it while an error of the training's own may be on its way."""
    from eventwriter_ultralytics._run import Run

    def failing(_run: Run, _status: str) -> None:
        raise OSError("cannot be closed")

    hooks, trainer = callbacks(), _Trainer(tmp_path)
    hooks["on_pretrain_routine_start"](trainer)
    monkeypatch.setattr(Run, "close", failing)
    hooks["teardown"](trainer)


@pytest.mark.parametrize(
    ("module", "waits"), [("ultralytics.utils.plotting", True), ("ultralytics.utils.events", False)]
)
def test_the_end_waits_for_threads_that_draw(module: str, waits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """And for no others of Ultralytics: a heartbeat may go on for ever."""
    release = threading.Event()

    def target() -> None:
        release.wait()

    target.__module__ = module
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    joined: list[float] = []
    monkeypatch.setattr(thread, "join", joined.append)
    _plots.wait()
    monkeypatch.undo()
    release.set()
    thread.join()
    assert waits == bool(joined)


def test_metrics_of_each_class() -> None:
    """By name, of the classes that a validation met, of boxes and masks; without parentheses: see `_per_class`."""
    from ultralytics.utils.metrics import SegmentMetrics

    metrics = SegmentMetrics(names={0: "cat (old)", 5: "dog"})
    for part, first in ((metrics.box, 0.1), (metrics.seg, 0.5)):
        part.p, part.r, part.all_ap = [first, first + 0.1], [0.2, 0.3], np.full((2, 10), [[first], [0.9]])
        part.ap_class_index = [0, 5]
    got = _per_class.scalars(SimpleNamespace(validator=SimpleNamespace(metrics=metrics)))
    assert 16 == len(got)
    assert 0.2 == pytest.approx(got["class/precision/dog"])
    assert 0.9 == pytest.approx(got["class/mask_mAP50-95/dog"])
    assert 0.5 == pytest.approx(got["class/mask_mAP50/cat [old]"])
    assert {} == _per_class.scalars(SimpleNamespace(validator=SimpleNamespace(metrics=object())))


class _Head(torch.nn.Module):
    """Can be traced only in export mode, if at all."""

    export = False

    def __init__(self, in_export_mode: bool, at_all: bool) -> None:
        super().__init__()
        self.in_export_mode, self.at_all = in_export_mode, at_all
        self.first = torch.nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.at_all or (
            (torch.jit.is_tracing() or torch.compiler.is_compiling()) and not (self.in_export_mode and self.export)
        ):
            raise RuntimeError("not like this")
        return self.first(x)

    def fuse(self, verbose: bool) -> _Head:
        return self


def _copy(model: torch.nn.Module) -> Any:
    return _model.Copy(model, torch.zeros(1, 3, 8, 8))


def test_a_head_that_needs_export_mode_is_traced_in_it() -> None:
    """On one more copy: the first keeps its mode."""
    head = _Head(True, True)
    graph, _ = _model.graph(_copy(head))
    assert any("conv" in node.op.lower() for node in graph.node)
    assert head.export is False


def test_a_model_that_cannot_be_traced_is_drawn_by_its_modules() -> None:
    """By running it."""
    graph, _ = _model.graph(_copy(_Head(False, True)))
    assert any("first" in node.name for node in graph.node)


def test_a_model_that_has_no_graph_is_a_warning_with_all_reasons() -> None:
    """Of the trace, of the trace in export mode, of the rest."""
    with pytest.raises(Exception, match=r"traced: .*not like this.* -> traced in export mode: .* -> its modules: "):
        _model.graph(_copy(_Head(False, False)))


@pytest.mark.parametrize("named", ["unwrap_model", "de_parallel"])
def test_the_copy_is_of_the_model_inside(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In eval mode, in the trainer's size and channels; the trainer's own stays in train mode, random state too.

    Ultralytics 8.3 began with another name for what takes a model out of its wrapper.
    """
    from ultralytics.utils import torch_utils

    unwrap = torch_utils.unwrap_model
    monkeypatch.delattr(torch_utils, "unwrap_model")
    monkeypatch.setattr(torch_utils, named, unwrap, raising=False)
    model = torch.nn.DataParallel(torch.nn.Sequential(torch.nn.Conv2d(4, 2, 1), torch.nn.BatchNorm2d(2)).double())
    trainer = SimpleNamespace(model=model, args=SimpleNamespace(imgsz=[64, 32]), data={"channels": 4})
    before = torch.get_rng_state()
    with _model.copied(trainer) as copy:
        assert (1, 4, 64, 32) == tuple(copy.image.shape)
        assert torch.float64 == copy.image.dtype
        assert not any(module.training for module in copy.model.modules())
        assert copy.model is not model.module
        torch.rand(3)
    assert all(module.training for module in model.modules())
    assert torch.equal(before, torch.get_rng_state())
