"""One module for each kind of data that TensorBoard shows.

A kind's function checks its arguments, copies what is mutable, and returns a `Deferred`: `EventWriter.log` takes it,
and has the rest done on the flush thread. The kinds know nothing of each other, of files, threads or wall time.
"""

from __future__ import annotations

from eventwriter.summary._deferred import Deferred as Deferred
