"""Ultralytics' TensorBoard callbacks on eventwriter: YOLO and RT-DETR trainings, with their graphs.

A table of contents. One line before the training:

    from eventwriter_ultralytics import add_to
    add_to(model)
    model.train(data="coco8.yaml", epochs=3)
"""

from __future__ import annotations

from eventwriter_ultralytics.callbacks import add_to as add_to
from eventwriter_ultralytics.callbacks import callbacks as callbacks

__all__ = ["add_to", "callbacks"]
