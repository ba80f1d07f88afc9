"""Page tests cost a browser and half a minute, so they run only when asked for: `make pages`, not `pytest`.

EVENTWRITER_PAGES=1 makes them run on the runs of `our_runs`; EVENTWRITER_PAGES=peers on those of `peer_runs`, which
shows that the tests can tell; EVENTWRITER_PAGES=LOGDIR on that logdir.
"""

from __future__ import annotations

import os

collect_ignore_glob = [] if os.environ.get("EVENTWRITER_PAGES") else ["test_*.py"]
