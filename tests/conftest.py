"""What all tests share: how hard hypothesis tries.

The profile is the one named by HYPOTHESIS_PROFILE; else `ci` where CI is set, and `dev`.
"""

from __future__ import annotations

import os

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
