"""The schema in `proto/`: fresh, number for number TensorBoard's, and importable beside everybody else's."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

import eventwriter._proto

ROOT = Path(__file__).resolve().parent.parent
GENERATOR_PYTHON = ROOT / ".venv-proto" / "bin" / "python"
OURS = sorted(module.name for module in pkgutil.iter_modules(eventwriter._proto.__path__))

# Where TensorBoard keeps the counterparts of our messages.
COMPAT = """allocation_description attr_value config event function graph histogram node_def op_def
    step_stats summary tensor tensor_description tensor_shape types versions"""
PLUGINS = """audio.plugin_data custom_scalar.layout histogram.plugin_data hparams.api hparams.plugin_data
    image.plugin_data mesh.plugin_data pr_curve.plugin_data projector.projector_config scalar.plugin_data
    text.plugin_data"""
THEIRS = [
    *(f"tensorboard.compat.proto.{name}_pb2" for name in COMPAT.split()),
    *(f"tensorboard.plugins.{name}_pb2" for name in PLUGINS.split()),
]
# TensorBoard has two enums named DataType, in two packages; ours share one.
RENAMED = {"HParamDataType": "hparams.DataType"}
SUBPACKAGES = ("", "hparams.", "mesh.", "projector.")


def types(modules: list[str]) -> dict[str, Descriptor | EnumDescriptor]:
    """Full name -> descriptor of every message and enum at the top level of the modules."""
    found = {}
    for name in modules:
        file = importlib.import_module(name).DESCRIPTOR
        for descriptor in (*file.message_types_by_name.values(), *file.enum_types_by_name.values()):
            found[descriptor.full_name] = descriptor
    return found


def bare(descriptor: Descriptor | EnumDescriptor | None) -> str | None:
    """A type's name without its package; the well-known types keep theirs."""
    if descriptor is None or descriptor.full_name.startswith("google."):
        return descriptor and descriptor.full_name
    name = descriptor.full_name.removeprefix(descriptor.file.package + ".")
    return RENAMED.get(name, name).removeprefix("hparams.")


def wire_format(field: FieldDescriptor) -> tuple[object, ...]:
    """All that a reader of the bytes or of the text format can notice."""
    oneof = field.containing_oneof
    return (
        field.number,
        field.type,
        field.is_repeated,
        field.is_packed,
        bare(field.message_type),
        bare(field.enum_type),
        oneof and oneof.name,
        bool(field.message_type) and field.message_type.GetOptions().map_entry,
    )


def assert_same(ours: Descriptor | EnumDescriptor, theirs: Descriptor | EnumDescriptor) -> None:
    if isinstance(ours, EnumDescriptor):
        want = {value.name: value.number for value in theirs.values}
        assert {value.name: value.number for value in ours.values}.items() <= want.items()
        return
    for field in ours.fields:
        counterpart = theirs.fields_by_name.get(field.name)
        assert counterpart is not None, f"{ours.full_name}.{field.name} is none of TensorBoard's"
        assert wire_format(counterpart) == wire_format(field), field.full_name
    for name, nested in (*ours.nested_types_by_name.items(), *ours.enum_types_by_name.items()):
        assert_same(nested, getattr(theirs, type_table(nested))[name])


def type_table(descriptor: Descriptor | EnumDescriptor) -> str:
    return "enum_types_by_name" if isinstance(descriptor, EnumDescriptor) else "nested_types_by_name"


def test_generated_code_is_fresh() -> None:
    """`proto/generate.py --check` finds nothing to regenerate."""
    if not GENERATOR_PYTHON.exists():
        reason = f"no {GENERATOR_PYTHON.relative_to(ROOT)} with grpcio-tools; see proto/generate.py"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    done = subprocess.run(
        [GENERATOR_PYTHON, ROOT / "proto" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stdout + done.stderr
    assert not done.returncode


@pytest.mark.parametrize("module", OURS)
def test_every_schema_has_its_module(module: str) -> None:
    """Descriptors carry our own file name and package, so that no other library's can collide with them."""
    file = importlib.import_module(f"eventwriter._proto.{module}").DESCRIPTOR
    assert (f"eventwriter/_proto/{module.removesuffix('_pb2')}.proto", "eventwriter") == (
        file.name,
        file.package,
    )


@pytest.mark.parametrize("module", OURS)
def test_fields_are_tensorboards(module: str) -> None:
    """Every field and enum value of ours has TensorBoard's number, type, label, packing and oneof."""
    theirs = types(THEIRS)
    ours = types([f"eventwriter._proto.{module}"])
    assert ours
    for full_name, descriptor in ours.items():
        name = full_name.removeprefix("eventwriter.")
        names = [f"tensorboard.{sub}{RENAMED.get(name, name)}" for sub in SUBPACKAGES]
        found = [theirs[candidate] for candidate in names if candidate in theirs]
        assert found, f"{full_name}: want one of {names}"
        assert_same(descriptor, found[0])


# Values made by one library and read by the other, to see that both sets of classes work after all imports.
EXERCISE = """
from eventwriter._proto import event_pb2, hparams_pb2, projector_pb2, step_stats_pb2
from tensorboard.compat.proto.event_pb2 import Event
ours = event_pb2.Event(step=3, wall_time=1.5)
ours.summary.value.add(tag="a", simple_value=2.5)
theirs = Event.FromString(ours.SerializeToString())
assert theirs.summary.value[0].simple_value == 2.5
assert event_pb2.Event.FromString(theirs.SerializeToString()) == ours
"""
NEIGHBOURS = ["tensorboard.compat.proto.event_pb2", "tensorboardX", "torch.utils.tensorboard"]
OUR_IMPORT = f"import {', '.join(f'eventwriter._proto.{name}' for name in OURS)}"


@pytest.mark.parametrize("position", range(len(NEIGHBOURS) + 1))
def test_imports_beside_other_writers(position: int) -> None:
    """Ours first, last and between TensorBoard, tensorboardX and torch: no error and no warning."""
    imports = [f"import {name}" for name in NEIGHBOURS]
    imports.insert(position, OUR_IMPORT)
    # torch without TensorFlow, as most users have it (and four seconds sooner).
    run(["import sys; sys.modules['tensorflow'] = None", *imports])


@pytest.mark.parametrize("imports", [[OUR_IMPORT, "import tensorflow"], ["import tensorflow", OUR_IMPORT]])
def test_imports_beside_tensorflow(imports: list[str]) -> None:
    """Ours before and after TensorFlow, whose C++ registers the same messages: no error and no warning."""
    run([*imports, "import tensorboardX, torch.utils.tensorboard"])


def run(lines: list[str]) -> None:
    program = "\n".join([WARNINGS, *lines, EXERCISE])
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=quiet, cwd=ROOT, check=False
    )
    assert not done.returncode, done.stderr
    assert not done.stdout


# Only what speaks of protobuf or of us counts: the neighbours warn about themselves (distutils, numpy, …).
WARNINGS = """
import warnings
warnings.filterwarnings("error", message="(?is).*(protobuf|proto2|gencode|descriptor|eventwriter)")
warnings.filterwarnings("error", module="eventwriter")
"""
