"""torch and jax, without TensorFlow: the tags and steps of the tensorflow backend.

That `tensorflow` is not in `sys.modules` after all of this, the process that trains asserts at its end.
"""

from __future__ import annotations

import numpy as np
import pytest
from keras_logs import Logged, facts, rows
from keras_trainings import CASES_OF


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_tags_and_steps(logged: Logged, backend: str) -> None:
    """In every case, each run has the same tags at the same steps, of the same kind and plugin."""
    for case in CASES_OF[backend]:
        want, got = (rows(logged(name, "ours") / case) for name in ("tensorflow", backend))
        # What a torch graph costs is measured too.
        got.pop(("train", "tagged_run_metadata"), None)
        shapes = [
            {key: [(row.step, row.kind, row.plugin) for row in series] for key, series in found.items()}
            for found in (want, got)
        ]
        assert shapes[0] == shapes[1], case


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_values(logged: Logged, backend: str) -> None:
    """From the first loss on, which is that of the same data and weights: all are finite, and of the same kind."""
    for case in CASES_OF[backend]:
        for (_, tag), series in rows(logged(backend, "ours") / case).items():
            if series[0].plugin == "scalars":
                assert all(row.value.dtype == np.float32 and np.isfinite(row.value) for row in series), (case, tag)


@pytest.mark.parametrize(("name", "want"), [("nothing", True), ("epoch", True), ("batch", False), ("profile", False)])
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_waits_for_no_batch_in_vain(logged: Logged, backend: str, name: str, want: bool) -> None:
    """Where nothing is logged for a batch, Keras need not wait for its metrics; Keras's own callback makes it."""
    assert want is facts(logged(backend, "ours") / "threads")[name]


def test_subclass_with_a_hook_of_its_own(logged: Logged) -> None:
    """A subclass that overrides on_train_batch_end is called on the training's thread, as it expects."""
    assert facts(logged("torch", "ours") / "threads")["overridden"] is False
