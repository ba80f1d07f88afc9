"""How every kind says which plugin shows it, and what a user wrote about it.

Knows: `SummaryMetadata`. Must not know: any plugin's name or content.
"""

from __future__ import annotations

import functools

from eventwriter._proto.summary_pb2 import DataClass, SummaryMetadata

_SHORT = 64  # content that tags share, mostly


def check_texts(what: str, description: str | None, display_name: str | None) -> None:
    """Raises TypeError if one is neither str nor None. `what` is the kind and the tag."""
    for name, text in (("description", description), ("display_name", display_name)):
        if text is not None and not isinstance(text, str):
            raise TypeError(f"{what}: want a str or None as {name}, got {type(text).__name__}")


def metadata(
    plugin: str, content: bytes, data_class: DataClass, description: str | None, display_name: str | None
) -> SummaryMetadata:
    """Metadata as a `Summary.Value` carries it; the first of a tag counts for all its later values.

    Equal arguments give the same message: put it into a value, which copies it, and do not change it.
    """
    make = _known if len(content) < _SHORT else _new
    return make(plugin, content, data_class, description, display_name)


def _new(
    plugin: str, content: bytes, data_class: DataClass, description: str | None, display_name: str | None
) -> SummaryMetadata:
    return SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, content=content),
        data_class=data_class,
        summary_description=description,
        display_name=display_name,
    )


_known = functools.lru_cache(maxsize=256)(_new)
