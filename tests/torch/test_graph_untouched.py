"""Making a graph changes nothing: each thing that it could change, by a test."""

from __future__ import annotations

import random
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from eventwriter_torch.graph import _live, build
from graph_models import MLP, Branching, ResNet
from torch import nn

IMAGE = torch.ones(1, 3, 32, 32)
WAYS = ["torch.jit.trace", "torch.export", "running it"]


@pytest.fixture(params=[*WAYS, "measured"])
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a graph in each of the ways by itself, and once with every operator measured."""
    if request.param == "measured":
        return lambda *args, **kwargs: _some(build(*args, measure=True, **kwargs))
    every = _live.ways
    monkeypatch.setattr(_live, "ways", lambda *args: (way for way in every(*args) if way[0] == request.param))
    return lambda *args, **kwargs: _some(build(*args, **kwargs))


def _some(built: Any) -> Any:
    assert built is not None
    return built


def test_modes(make: Any) -> None:
    """Every sub-module is as it was: a frozen BatchNorm in a model that trains stays frozen."""
    model = ResNet().train()
    model.bn1.eval()
    model.layer1[0].bn2.eval()
    before = {name: module.training for name, module in model.named_modules()}
    make(model, IMAGE)
    assert before == {name: module.training for name, module in model.named_modules()}
    assert before["bn1"] is False and before["bn2" if "bn2" in before else "layer1.0.bn1"] is True


def test_train_is_not_called(make: Any) -> None:
    """`train()` may do more than set a flag (LoRA merges its weights there): it is left alone."""

    class Merging(nn.Linear):
        def train(self, mode: bool = True) -> Merging:
            raise AssertionError("train was called")

    make(Merging(4, 2), torch.ones(1, 4))


def test_statistics(make: Any) -> None:
    """The statistics of BatchNorm and every other buffer stay, in value and as objects."""
    model = ResNet().train()
    before = {name: (buffer, buffer.clone(), buffer._version) for name, buffer in model.named_buffers()}
    make(model, IMAGE)
    for name, buffer in model.named_buffers():
        was, value, version = before[name]
        assert buffer is was
        assert torch.equal(value, buffer)
        assert version == buffer._version, "autograd would refuse a backward pass over it"


def test_state_that_a_model_keeps(make: Any) -> None:
    """Buffers written to or replaced, attributes, caches and unregistered tensors are put back."""

    class Keeping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", torch.zeros(()))
            self.register_buffer("last", torch.zeros(2))
            self.calls, self.seen, self.cache, self.total = 0, [], {}, torch.zeros(2)

        def forward(self, x):
            self.count += 1
            self.last = x.detach() * 3
            self.calls += 1
            self.seen.append(x)
            self.cache["x"] = x
            self.total.add_(1)
            self.new = x
            return x + 1

    model = Keeping()
    count, last, seen, cache, total = model.count, model.last, model.seen, model.cache, model.total
    make(nn.Sequential(model), torch.ones(2))
    assert (model.count, model.last, model.seen, model.cache) == (count, last, seen, cache)
    assert model.last is last and model.total is total
    assert (count.item(), last.tolist(), model.calls, seen, cache, total.tolist()) == (0, [0, 0], 0, [], {}, [0, 0])
    assert not hasattr(model, "new")


def test_buffers_of_other_kinds(make: Any) -> None:
    """Buffers that overlap themselves, or were made in inference mode, do not stand in the way."""

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("positions", torch.arange(4).expand(3, -1))
            with torch.inference_mode():
                self.register_buffer("inferred", torch.zeros(4))

        def forward(self, x):
            if self.inferred.is_inference() and torch.is_inference_mode_enabled():
                self.inferred.add_(1)
            return x + self.positions

    model = Odd()
    make(model, torch.ones(3, 4))
    assert model.positions.tolist() == [[0, 1, 2, 3]] * 3
    with torch.inference_mode():
        make(model, torch.ones(3, 4))
    assert model.inferred.tolist() == [0.0] * 4


def test_random_state(make: Any) -> None:
    """What is drawn afterwards is what would have been drawn anyway, by torch, numpy and Python."""

    class Drawing(nn.Module):
        def forward(self, x):
            return x + torch.rand(2) + float(np.random.rand()) + random.random()

    model = nn.Sequential(Drawing(), nn.Dropout())
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    want = (torch.rand(3).tolist(), np.random.rand(), random.random())
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    make(model, torch.ones(2))
    assert want == (torch.rand(3).tolist(), np.random.rand(), random.random())


def test_gradients(make: Any) -> None:
    """`.grad` of each parameter stays, in value and as an object, and none appears."""
    model = MLP()
    model(torch.ones(1, 4)).sum().backward()
    model.net[0].bias.grad = None
    before = {name: (p.grad, p.grad.clone() if p.grad is not None else None) for name, p in model.named_parameters()}
    x = torch.ones(1, 4, requires_grad=True)
    make(model, x)
    for name, parameter in model.named_parameters():
        was, value = before[name]
        assert parameter.grad is was
        assert value is None or torch.equal(value, parameter.grad)
    assert x.grad is None


def test_a_backward_pass_that_is_still_to_come(make: Any) -> None:
    """Between forward and backward: autograd finds what it saved unchanged."""
    model = ResNet().train()
    loss = model(IMAGE).sum()
    make(model, IMAGE)
    loss.backward()
    assert model.conv1.weight.grad is not None


@pytest.mark.parametrize("enabled", [True, False])
def test_grad_mode(make: Any, enabled: bool) -> None:
    """Gradients are on or off as before."""
    with torch.set_grad_enabled(enabled):
        make(MLP(), torch.ones(1, 4))
        assert torch.is_grad_enabled() is enabled


def test_hooks(make: Any) -> None:
    """The hooks of a model are those it had, and none of ours is left."""
    model = MLP()
    calls = []
    model.net[0].register_forward_hook(lambda *_: calls.append(1))
    before = [dict(module._forward_hooks) for module in model.modules()]
    make(model, torch.ones(1, 4))
    assert before == [dict(module._forward_hooks) for module in model.modules()]
    assert not any(module._forward_pre_hooks for module in model.modules())
    calls.clear()
    model(torch.ones(1, 4))
    assert calls == [1]


def test_inputs(make: Any) -> None:
    """A model that writes into its input writes into a copy."""
    x = torch.full((1, 4), -1.0)
    make(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 2)), x)
    assert x.tolist() == [[-1.0] * 4]


def test_settings_of_torch(make: Any) -> None:
    """The fast path of attention and the cache of autocast are set as before."""
    assert torch.backends.mha.get_fastpath_enabled()
    with torch.autocast("cpu", torch.bfloat16):
        make(MLP(), torch.ones(1, 4))
        assert torch.is_autocast_cache_enabled()
        assert torch.is_autocast_enabled("cpu")
    assert torch.backends.mha.get_fastpath_enabled()
    assert not torch.jit.is_tracing()


def test_compiled_modules_stay_compiled(make: Any) -> None:
    """What `torch.compile` made of a module is there afterwards."""
    compiled = []

    def backend(module: Any, _: Any) -> Any:
        compiled.append(module)
        return module.forward

    class Doubling(nn.Module):
        def forward(self, x):
            return x * 2

    model = nn.Sequential(torch.compile(nn.Linear(4, 2), backend=backend), Doubling())
    model[1].compile(backend=backend)
    make(model, torch.ones(1, 4))
    assert compiled == []
    with torch.no_grad():
        model(torch.ones(1, 4))
    assert len(compiled) == 2


def test_nothing_is_printed(make: Any, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder) -> None:
    """Nothing on stdout or stderr, no warning of the tracer's, and the filters for warnings are the user's."""
    filters = list(warnings.filters)
    make(ResNet(), IMAGE)
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
    assert filters == list(warnings.filters)


def test_a_tracer_warning_is_silent(recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]) -> None:
    """Control flow that depends on data makes torch's tracer warn; that is nothing a user can act on here."""
    assert build(Branching(), torch.ones(2, 4)) is not None
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


def test_verbose_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """`verbose=True` prints torch's own notation, as torch.utils.tensorboard does."""
    build(MLP(), torch.ones(1, 4), verbose=True)
    assert "aten::linear" in capsys.readouterr().out


def test_after_a_failure() -> None:
    """A model that fails in the middle is put back all the same."""

    class Failing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(4)
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            self.norm.running_mean.add_(1)
            raise RuntimeError("no")

    model = Failing().train()
    state = torch.get_rng_state()
    assert build(model, torch.ones(2, 4)) is None
    assert (model.calls, model.norm.training, model.norm.running_mean.tolist()) == (0, True, [0.0] * 4)
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.jit.is_tracing()
    assert torch.is_grad_enabled()


def test_tensorboard_is_not_imported() -> None:
    """The shim needs torch and eventwriter; neither tensorboard nor TensorFlow."""
    code = (
        "import sys, torch; from eventwriter_torch.graph import build;"
        "assert build(torch.nn.Linear(2, 2), torch.ones(2));"
        "assert not {'tensorboard', 'tensorflow', 'tensorboardX'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
