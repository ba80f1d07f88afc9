"""shims/eventwriter_ultralytics: its parts, without a training."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import ultralytics_sets
from eventwriter_ultralytics import _model, _per_class, add_to, callbacks


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


def test_metrics_of_each_class() -> None:
    """By name, of the classes that a validation met, of boxes and masks; without parentheses: see `_per_class`."""
    import numpy as np
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


def test_the_copy_is_of_the_model_inside(tmp_path: Path) -> None:
    """In eval mode, in the trainer's size and channels; the trainer's own stays in train mode, random state too."""
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
