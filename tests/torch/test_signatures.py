"""eventwriter_torch takes what torch.utils.tensorboard takes, where it takes it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import eventwriter_torch
import eventwriter_torch.summary as our_summary
import pytest
import tensorboardX
import torch.utils.tensorboard as peer
import torch.utils.tensorboard.summary as peer_summary
from torch.utils.tensorboard import writer as peer_writer

Parameters = list[tuple[str, Any, Any]]


def parameters(function: Callable[..., Any]) -> Parameters:
    """(name, kind, default) of each, in order."""
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


def methods(cls: type) -> Iterator[str]:
    """Public methods, the constructor, and the private one that other libraries call."""
    for name, member in inspect.getmembers(cls, inspect.isfunction):
        if not name.startswith("_") or name in ("__init__", "__enter__", "__exit__", "_get_file_writer"):
            del member
            yield name


CASES = [
    (ours, theirs, name)
    for ours, theirs in (
        (eventwriter_torch.SummaryWriter, peer_writer.SummaryWriter),
        (eventwriter_torch.FileWriter, peer_writer.FileWriter),
        (eventwriter_torch.RecordWriter, peer.RecordWriter),
    )
    for name in methods(theirs)
]


@pytest.mark.parametrize(("ours", "theirs", "name"), CASES, ids=[f"{c[1].__name__}.{c[2]}" for c in CASES])
def test_a_method_begins_with_torchs_parameters(ours: type, theirs: type, name: str) -> None:
    """Names, order, kinds and defaults are torch's; what is ours is keyword-only and has a default."""
    want, got = parameters(getattr(theirs, name)), parameters(getattr(ours, name))
    assert want == got[: len(want)]
    assert all(kind is inspect.Parameter.KEYWORD_ONLY for _, kind, _ in got[len(want) :])
    assert all(default is not inspect.Parameter.empty for *_, default in got[len(want) :])


@pytest.mark.parametrize("name", peer_summary.__all__)
def test_a_summary_function_begins_with_torchs_parameters(name: str) -> None:
    """The same for the functions of `torch.utils.tensorboard.summary`."""
    want, got = parameters(getattr(peer_summary, name)), parameters(getattr(our_summary, name))
    assert want == got[: len(want)]
    assert all(kind is inspect.Parameter.KEYWORD_ONLY for _, kind, _ in got[len(want) :])


def test_the_modules_export_what_torchs_export() -> None:
    """FileWriter, RecordWriter, SummaryWriter; and every name of the summary module."""
    assert set(peer.__all__) <= set(eventwriter_torch.__all__)
    assert set(peer_summary.__all__) == set(our_summary.__all__)


@pytest.mark.parametrize(
    ("method", "extra"),
    [
        ("__init__", {"logdir", "write_to_disk"}),
        ("add_scalar", {"display_name", "summary_description"}),
        ("add_hparams", {"name"}),
        ("add_video", {"dataformats"}),
        ("use_metadata", {"global_step", "walltime"}),
    ],
)
def test_tensorboardx_keywords_are_taken(method: str, extra: set[str]) -> None:
    """Those that tensorboardX has and torch has not."""
    theirs = inspect.signature(getattr(tensorboardX.SummaryWriter, method)).parameters
    ours = inspect.signature(getattr(eventwriter_torch.SummaryWriter, method)).parameters
    assert extra <= set(theirs)
    assert extra <= set(ours)
