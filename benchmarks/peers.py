"""How to open and call each writer that is compared, and in what kind of process.

Knows every peer's constructor and the statement that a user of it would type for each kind. Must not know what is
measured. A peer is imported only by `open_writer`, in the process of one sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Peer(NamedTuple):
    """One row of the tables.

    The statements see `writer`, `tag`, `value` (or `data`), `step`, and for the floor `events` and `time`.
    """

    name: str
    statements: dict[str, str]  # kind (scalar, histogram, image, text) to what logs it
    imports: str = ""  # what a user of it imports
    calls: int = 200_000  # scalars in the measurement of CPU time: about a second's worth
    hide_tensorflow: bool = False
    options: Mapping[str, Any] = MappingProxyType({})  # of its constructor


_TORCH = {
    "scalar": "writer.add_scalar(tag, value, step)",
    "histogram": "writer.add_histogram(tag, data, step)",
    "image": 'writer.add_image(tag, data, step, dataformats="HWC")',
    "text": "writer.add_text(tag, data, step)",
}

NOTHING = Peer("no logging", dict.fromkeys(("scalar", "histogram", "image", "text"), "pass"))
FLOOR = Peer(
    "floor: list.append",
    {"scalar": "events.append((tag, value, step, time.time()))"}
    | dict.fromkeys(("histogram", "image"), "events.append((tag, data.copy(), step, time.time()))")
    | {"text": "events.append((tag, data, step, time.time()))"},
)
OURS = Peer(
    "eventwriter",
    {kind: f"writer.{kind}(tag, data, step)" for kind in ("histogram", "image", "text")}
    | {"scalar": "writer.scalar(tag, value, step)"},
    "from eventwriter import EventWriter",
)
PROCESS = OURS._replace(name='eventwriter, durability="process"', options={"durability": "process"})
OUR_TORCH = Peer("eventwriter_torch", _TORCH, "from eventwriter_torch import SummaryWriter")
TORCH = Peer("torch, TF importable", _TORCH, "from torch.utils.tensorboard import SummaryWriter", 20_000)
TORCH_ALONE = TORCH._replace(name="torch, TF hidden", hide_tensorflow=True)
TENSORBOARDX = Peer("tensorboardX", _TORCH, "from tensorboardX import SummaryWriter", 20_000)
TF_SUMMARY = Peer(
    "tf.summary",
    {
        "scalar": "summary.scalar(tag, value, step)",
        "histogram": "summary.histogram(tag, data, step)",
        "image": "summary.image(tag, data[None], step)",
        "text": "summary.text(tag, data, step)",
    },
    "import tensorflow",
    5_000,
)

# Makes `import tensorflow` fail as where it is not installed: torch.utils.tensorboard and tensorboard then use
# tensorboard.compat.tensorflow_stub.
HIDE_TENSORFLOW = "import sys; sys.modules['tensorflow'] = None"

BASELINES = (NOTHING, FLOOR)
PEERS = (OURS, OUR_TORCH, TORCH, TORCH_ALONE, TENSORBOARDX, TF_SUMMARY)
BY_NAME = {peer.name: peer for peer in (*BASELINES, PROCESS, *PEERS)}


def peers(quick: bool) -> tuple[Peer, ...]:
    """All, or for a quick look those whose import takes no seconds: without TensorFlow."""
    return tuple(peer for peer in PEERS if not (quick and peer in (TORCH, TF_SUMMARY)))


class Writer(NamedTuple):
    """An open writer: the names that the peer's statements use, and how to flush and close it."""

    names: dict[str, Any]
    flush: Any
    close: Any


def prepare(peer: Peer) -> None:
    """Do what must be done in a fresh process before anything of the peer is imported."""
    if peer.hide_tensorflow:
        exec(HIDE_TENSORFLOW)


def open_writer(peer: Peer, logdir: str) -> Writer:
    """Import the peer and open a writer with its own defaults. ImportError where it is not installed."""
    if peer in BASELINES:
        events: list[Any] = []
        return Writer({"writer": None, "events": events}, events.clear, events.clear)
    if peer is TF_SUMMARY:
        import tensorflow as tf

        writer = tf.summary.create_file_writer(logdir)
        writer.set_as_default()
        return Writer({"writer": writer, "summary": tf.summary}, writer.flush, writer.close)
    names: dict[str, Any] = {}
    exec(peer.imports, names)
    (constructor,) = (value for name, value in names.items() if name != "__builtins__")
    writer = constructor(logdir, **peer.options)
    return Writer({"writer": writer}, writer.flush, writer.close)


def define(template: str, peer: Peer, kind: str, names: dict[str, Any]) -> Any:
    """The function `loop` of `template`, with the peer's statement for `kind` where `LOG` stands.

    Compiled like timeit does it, so that what is timed is what a user would type, without a wrapper's call.
    """
    scope = dict(names)
    exec(template.replace("LOG", peer.statements[kind]), scope)
    return scope["loop"]
