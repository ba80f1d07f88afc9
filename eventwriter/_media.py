"""The methods of `EventWriter` for what is seen or heard: one for each kind, each one call of its function.

Knows: the functions of `eventwriter.summary`. Must not know: how a kind is encoded, files, threads. What all have in
common is said in `_kinds`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventwriter._kinds import Kinds, Step


class MediaKinds(Kinds):
    """`Kinds`, and images, videos, figures and sound."""

    def image(
        self,
        tag: str,
        data: Any,
        step: Step,
        *,
        dataformats: str | None = None,
        wall_time: float | None = None,
        description: str | None = None,
        display_name: str | None = None,
    ) -> None:
        """Log an image.

        Args:
            data: an array [height, width], [height, width, channels] or [channels, height, width], with 1 (grey), 3
                (RGB) or 4 channels (RGBA), or a PIL image. uint8 is shown as it is, other ints are clipped to 0 to
                255, but for uint16, which reaches to 65535. Floats reach from 0 to 1, or to 255 if some are above 4.
            dataformats: the order of the axes, such as "CHW", where the shape does not tell it.
        """
        from eventwriter.summary.image import image

        self._check("image", tag, data)
        value = image(tag, data, dataformats=dataformats, description=description, display_name=display_name)
        self._value("image", tag, value, step, wall_time)

    def images(
        self,
        tag: str,
        data: Any,
        step: Step,
        *,
        dataformats: str | None = None,
        max_outputs: int | None = None,
        wall_time: float | None = None,
        description: str | None = None,
        display_name: str | None = None,
    ) -> None:
        """Log several images, shown side by side.

        Args:
            data: [images, height, width, channels] or [images, channels, height, width], or a sequence of images, which
                may differ in size.
            dataformats: the order of the axes, such as "NCHW", where the shape does not tell it.
            max_outputs: only the first so many.
        """
        from eventwriter.summary.image import images

        self._check("images", tag)
        value = images(
            tag, data, dataformats=dataformats, max_outputs=max_outputs, description=description,
            display_name=display_name,
        )  # fmt: skip
        self._value("images", tag, value, step, wall_time)

    def image_with_boxes(
        self,
        tag: str,
        data: Any,
        boxes: Any,
        step: Step,
        *,
        labels: Sequence[Any] | str | None = None,
        dataformats: str | None = None,
        wall_time: float | None = None,
        description: str | None = None,
        display_name: str | None = None,
    ) -> None:
        """Log an image with boxes drawn on it in red.

        Args:
            data, dataformats: as of `image`.
            boxes: [n, 4] numbers: left, top, right and bottom in pixels.
            labels: a word for each box; needs Pillow.
        """
        from eventwriter.summary.image import image_with_boxes

        self._check("image_with_boxes", tag, data)
        value = image_with_boxes(
            tag, data, boxes, labels=labels, dataformats=dataformats, description=description,
            display_name=display_name,
        )  # fmt: skip
        self._value("image_with_boxes", tag, value, step, wall_time)

    def video(
        self,
        tag: str,
        data: Any,
        step: Step,
        *,
        fps: float = 4,
        dataformats: str = "NTCHW",
        wall_time: float | None = None,
        description: str | None = None,
        display_name: str | None = None,
    ) -> None:
        """Log an animation, shown among the images.

        Args:
            data: [videos, frames, channels, height, width].
            fps: frames per second.
            dataformats: the order of the axes.
        """
        from eventwriter.summary.video import video

        self._check("video", tag, data)
        value = video(tag, data, fps=fps, dataformats=dataformats, description=description, display_name=display_name)
        self._value("video", tag, value, step, wall_time)

    def figure(
        self,
        tag: str,
        figure: Any,
        step: Step,
        *,
        close: bool = True,
        wall_time: float | None = None,
        description: str | None = None,
        display_name: str | None = None,
    ) -> None:
        """Log a matplotlib figure, or several, as images.

        Args:
            close: whether to close it after.
        """
        from eventwriter.summary import figure as figures

        self._check("figure", tag)
        value = figures.figure(tag, figure, close=close, description=description, display_name=display_name)
        self._value("figure", tag, value, step, wall_time)

    def audio(
        self,
        tag: str,
        data: Any,
        step: Step,
        *,
        sample_rate: int = 44100,
        max_outputs: int | None = None,
        wall_time: float | None = None,
        description: str | None = None,
        display_name: str | None = None,
    ) -> None:
        """Log sound.

        Args:
            data: the samples of one clip or several.
            sample_rate: samples per second.
            max_outputs: only the first so many clips.
        """
        from eventwriter.summary.audio import audio

        self._check("audio", tag, data)
        value = audio(
            tag, data, sample_rate=sample_rate, max_outputs=max_outputs, description=description,
            display_name=display_name,
        )  # fmt: skip
        self._value("audio", tag, value, step, wall_time)
