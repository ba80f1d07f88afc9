"""The metrics of each class, out of a validator's.

Knows: how Ultralytics keeps them. Must not know: how they are logged.
"""

from __future__ import annotations

from typing import Any

# By the attribute that holds them. Not Ultralytics' own `(B)`, `(M)`, `(P)`: TensorBoard's Custom Scalars dashboard
# takes what is in parentheses for the name of a run, and draws nothing.
_PARTS = {"box": "", "seg": "mask_", "pose": "pose_"}
_WITHOUT_PARENTHESES = str.maketrans("()", "[]")
_NAMES = ("precision", "recall", "mAP50", "mAP50-95")


def scalars(trainer: Any) -> dict[str, float]:
    """`class/METRIC/NAME` to its value, of the classes that the last validation met. Empty for tasks without.

    METRIC is `precision`, `recall`, `mAP50` and `mAP50-95` of the boxes, with `mask_` or `pose_` before it of those.
    """
    found: dict[str, float] = {}
    metrics = getattr(trainer.validator, "metrics", None)
    names = getattr(metrics, "names", None) or {}
    for part, prefix in _PARTS.items():
        results: Any = getattr(metrics, part, None)
        if not hasattr(results, "class_result"):
            continue
        for index, number in enumerate(getattr(results, "ap_class_index", ())):
            name = str(names[int(number)]).translate(_WITHOUT_PARENTHESES)
            for metric, value in zip(_NAMES, results.class_result(index), strict=False):
                found[f"class/{prefix}{metric}/{name}"] = float(value)
    return found
