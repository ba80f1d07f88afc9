"""The methods of `SummaryWriter` for what can be seen and heard.

Knows: torch's and tensorboardX's signatures, and which function prepares what they take. Must not know: files, how
pixels become bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eventwriter_torch import _prepare_media
from eventwriter_torch._adds import Adds, Step

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class AddMedia(Adds):
    """Images, figures, videos, sounds."""

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Step = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Add an image.

        Args:
            img_tensor: ints from 0 to 255, floats from 0 to 1, bools, of 1, 3 or 4 channels; or a PIL image.
            dataformats: the letters H, W and C in the order of the axes, C only if there is that axis. With N in front,
                several images in a grid.
        """
        self._add(
            _prepare_media.image, tag, global_step, walltime, img_tensor,
            dataformats=dataformats, ints_times_255=self._compat,
        )  # fmt: skip

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: Step = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Add several images, in a grid of up to 8 columns.

        Args:
            img_tensor: as in `add_image`, with one axis more; or a list of images of one size.
            dataformats: as in `add_image`, with N for the images; for a list without.
        """
        self._add(
            _prepare_media.images, tag, global_step, walltime, img_tensor,
            dataformats=dataformats, ints_times_255=self._compat,
        )  # fmt: skip

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: Step = None,
        walltime: float | None = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: Sequence[str] | str | None = None,
    ) -> None:
        """Add an image with boxes drawn on it.

        Args:
            img_tensor, dataformats: as in `add_image`.
            box_tensor: [n, 4]: left, top, right and bottom of each, in pixels.
            rescale: what width and height are multiplied by. Other than 1 it needs Pillow.
            labels: a word for each box; left out if there are not as many. They need Pillow.
        """
        self._add(
            _prepare_media.image_with_boxes, tag, global_step, walltime, img_tensor, box_tensor,
            rescale=rescale, dataformats=dataformats, labels=labels, ints_times_255=self._compat,
        )  # fmt: skip

    def add_figure(
        self,
        tag: str,
        figure: Figure | list[Figure],
        global_step: Step = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Add a matplotlib figure, or several of one size in a grid.

        Args:
            close: whether pyplot forgets the figures then, which otherwise stay in memory.
        """
        self._add(_prepare_media.figure, tag, global_step, walltime, figure, close=close)

    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: Step = None,
        fps: float = 4,
        walltime: float | None = None,
        *,
        dataformats: str = "NTCHW",
    ) -> None:
        """Add a video, or several in a grid, as an animated GIF.

        Args:
            vid_tensor: [videos, frames, channels, height, width]: numbers as in `add_image`, 1 or 3 channels.
            fps: frames per second; browsers show 50 at most.
            dataformats: the letters N, T, C, H and W in the order of the axes; N and C may be missing.
        """
        self._add(_prepare_media.video, tag, global_step, walltime, vid_tensor, fps=fps, dataformats=dataformats)

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: Step = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        """Add a sound.

        Args:
            snd_tensor: [frames], [channels, frames] or [frames, channels], mono or stereo: floats from -1 to 1, or ints
                that use the range of their dtype.
            sample_rate: frames per second.
        """
        self._add(_prepare_media.audio, tag, global_step, walltime, snd_tensor, sample_rate=sample_rate)
