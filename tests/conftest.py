"""What all tests share: how hard hypothesis tries.

The profile is the one named by HYPOTHESIS_PROFILE; else `ci` where CI is set, and `dev`.
"""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

#: Machines under load are slow, which says nothing of the code: no deadline, no such check.
_CALM = (HealthCheck.too_slow,)

settings.register_profile("dev", deadline=None, max_examples=30, suppress_health_check=_CALM)
settings.register_profile(
    "ci", deadline=None, max_examples=80, derandomize=True, suppress_health_check=_CALM
)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Whoever runs the tests in the background lets them ignore Ctrl-C, and the programs that they
    # start, too; some tests interrupt these.
    signal.signal(signal.SIGINT, signal.default_int_handler)
