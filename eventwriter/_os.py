"""The calls into the operating system that a log depends on, in one place.

Knows: their names. Must not know: what they are used for. The modules that touch files call them through this
module (`_os.write(…)`), so that a test can make the Nth of them fail as a disk would.
"""

from __future__ import annotations

from os import close as close
from os import fdatasync as fdatasync
from os import fstat as fstat
from os import fsync as fsync
from os import listdir as listdir
from os import makedirs as makedirs
from os import open as open  # noqa: A004 -- the point of the module
from os import stat as stat
from os import unlink as unlink
from os import write as write
