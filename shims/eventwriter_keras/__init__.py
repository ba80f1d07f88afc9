"""Keras's `TensorBoard` callback on eventwriter: every Keras backend, no TensorFlow where it is not the backend.

A table of contents. Change the import and keep the rest:

    from eventwriter_keras import TensorBoard
    model.fit(x, y, callbacks=[TensorBoard("logs")])
"""

from __future__ import annotations

from eventwriter_keras.callback import TensorBoard as TensorBoard

__all__ = ["TensorBoard"]
