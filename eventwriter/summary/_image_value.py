"""The two forms in which a file holds images.

Knows: `Summary.Image` and the "images" plugin. Must not know: what the images are of, how they are encoded.

New style: a string tensor of the width, the height and an image file for each sample
(tensorboard/plugins/image/summary_v2.py). Legacy: a `Summary.Image`, one a value, which TensorBoard turns into the
other as it reads (tensorboard/data_compat.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from eventwriter._proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE, Summary, SummaryMetadata
from eventwriter._proto.tensor_pb2 import TensorProto
from eventwriter._proto.types_pb2 import DT_STRING
from eventwriter.summary._metadata import metadata


def image_value(
    tag: str,
    files: Sequence[bytes],
    shape: tuple[int, ...],
    *,
    legacy: bool,
    description: str | None,
    display_name: str | None,
) -> Summary.Value:
    """A value of ready image files.

    Args:
        files: PNG, GIF, or whatever a browser shows; with `legacy` just one.
        shape: height, width and channels of the first.
    """
    height, width, channels = shape
    if legacy:
        (file,) = files
        picture = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=file)
        if description is None and display_name is None:
            return Summary.Value(tag=tag, image=picture)
        about = SummaryMetadata(summary_description=description, display_name=display_name)
        return Summary.Value(tag=tag, image=picture, metadata=about)
    tensor = TensorProto(dtype=DT_STRING, string_val=[str(width).encode(), str(height).encode(), *files])
    tensor.tensor_shape.dim.add(size=2 + len(files))
    # The plugin's content is an `ImagePluginData` of version 0: no bytes.
    about = metadata("images", b"", DATA_CLASS_BLOB_SEQUENCE, description, display_name)
    return Summary.Value(tag=tag, tensor=tensor, metadata=about)
