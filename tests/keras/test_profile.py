"""Profiles, by each backend's own profiler."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from keras_logs import Scenario, facts, rows
from tensorboard.compat.proto.config_pb2 import RunMetadata


def profiles(folder: Path) -> list[Path]:
    return sorted((folder / "train" / "plugins" / "profile").glob("*/*"))


def test_profile(scenario: Scenario, backend: str) -> None:
    """`profile_batch="2,3"` gives one profile in the place where TensorBoard looks, with both batches in it."""
    found = profiles(scenario("profile"))
    assert len({path.parent for path in found}) == 1
    if backend == "torch":
        (trace,) = found
        assert trace.name.endswith(".pt.trace.json.gz")
        names = {event.get("name") for event in json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]}
        assert {"Profiled batch 1", "Profiled batch 2"} <= names
        assert not {"Profiled batch 0", "Profiled batch 3"} & names
    else:
        (space,) = (path for path in found if path.name.endswith(".xplane.pb"))
        assert b"Profiled batch" in space.read_bytes()


def test_graphs_of_the_batches(scenario: Scenario, backend: str) -> None:
    """On tensorflow there is also what ran in the batches, under the tag that Keras gives it."""
    logged = rows(scenario("profile"))
    if backend != "tensorflow":
        assert ("train", "batch_3") not in logged
        return
    (row,) = logged["train", "batch_3"]
    assert (row.step, row.plugin) == (3, "graph_run_metadata_graph")
    assert RunMetadata.FromString(row.value.item()).function_graphs


def test_failure_is_a_warning(scenario: Scenario) -> None:
    """A profiler that cannot start, or cannot write, is one warning; the training is logged as ever."""
    folder = scenario("profile_that_fails")
    (warning,) = facts(folder)["warnings"]
    assert "profile_batch: could not" in warning
    assert "training goes on" in warning
    assert len(rows(folder)["train", "epoch_loss"]) == 1
