"""What a user is told: in Ultralytics' own logger and style."""

from __future__ import annotations


def info(text: str) -> None:
    from ultralytics.utils import LOGGER, colorstr

    LOGGER.info(f"{colorstr('TensorBoard: ')}{text}")


def warning(text: str) -> None:
    from ultralytics.utils import LOGGER, colorstr

    LOGGER.warning(f"{colorstr('TensorBoard: ')}{text}")
