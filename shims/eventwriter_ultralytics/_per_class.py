"""The metrics of each class, out of a validator's.

Knows: how Ultralytics keeps them. Must not know: how they are logged.
"""

from __future__ import annotations

from typing import Any

_PARTS = (("box", "B"), ("seg", "M"), ("pose", "P"))
_NAMES = ("precision", "recall", "mAP50", "mAP50-95")


def scalars(trainer: Any) -> dict[str, float]:
    """`class/METRIC/NAME` to its value, of the classes that the last validation met. Empty for tasks without."""
    found: dict[str, float] = {}
    metrics = getattr(trainer.validator, "metrics", None)
    names = getattr(metrics, "names", None) or {}
    for part, letter in _PARTS:
        results: Any = getattr(metrics, part, None)
        if not hasattr(results, "class_result"):
            continue
        for index, number in enumerate(getattr(results, "ap_class_index", ())):
            name = names[int(number)]
            for metric, value in zip(_NAMES, results.class_result(index), strict=False):
                found[f"class/{metric}({letter})/{name}"] = float(value)
    return found
