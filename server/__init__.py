"""The server: spec/openapi.yaml mounted by Connexion, its rules enforced by ttrules, kept by SQL.

An application, not a library: nothing outside of this folder imports it. See ARCHITECTURE.md.
"""

import warnings

# Connexion imports Starlette's test client, which asks for a newer httpx; nothing here tests by it.
warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
