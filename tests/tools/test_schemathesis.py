"""What the document says is what the server does: schemathesis, with all its checks.

It runs as the command `st` against a server that runs, since its phases (examples, boundary values,
random and mutated requests, sequences of requests) are all there only then. It draws the same cases
each time. CONFIGURATION has, beside each thing that is not asked for, why.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.contract import BACKOFFICE_BASE, DOCUMENTS
from tests.support.databases import DATABASES, postgresql
from tests.support.servers import BASE, NAMES, PROVIDERS, serving

if TYPE_CHECKING:
    from tests.support.servers import Server

pytestmark = pytest.mark.slow

HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
#: Who asks each side, and what does not hold there: both systems of the provider see all tickets.
PEERS = {BASE: NAMES[:2], BACKOFFICE_BASE: PROVIDERS}
UNLIKE = {BASE: set(), BACKOFFICE_BASE: {"object_level_authorization"}}
PHASES = ("examples", "coverage", "fuzzing", "stateful")
#: Random requests to each operation; all its boundary values are tried beside them. `make thorough`
#: asks for more.
EXAMPLES = int(os.environ.get("TTRULES_EXAMPLES", "12"))
FEW = EXAMPLES // 2
#: Every check; `all` of them, named so that one that is left out by default is noticed.
CHECKS = """
allow_header_conformance content_type_conformance ensure_resource_availability ignored_auth
missing_required_header negative_data_rejection not_a_server_error object_level_authorization
positive_data_acceptance response_headers_conformance response_schema_conformance
status_code_conformance unsupported_method use_after_free
""".split()
#: No other check is left out; no status is beyond `status_code_conformance`: it is documented.
CONFIGURATION = """
hooks = "{hooks}"

[auth.wfc]
path = "{auth}"
peers = {peers}

[generation]
max-examples = {examples}
deterministic = true
database = "none"
# U+0000, which no text of a database can be, is a 400 in any member's value and name; OpenAPI has
# no word for the names of unknown members. tests/asgi/test_limits.py has it.
allow-x00 = false

# A sequence is some ten requests, so that fewer suffice.
[phases.stateful.generation]
max-examples = {few}

# What a valid request may be answered beside 2xx: 401 and 404 since credentials and ids are drawn,
# too. An invalid one may be a 414, since a part of its address may be too long.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 404]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 414, 415, 422, 428, 429]

[[operations]]
include-name = "GET /troubleTicket/{{troubleTicketId}}"
# 304 since an If-None-Match may name the version that there is.
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 401, 404]

[[operations]]
include-name = "PATCH /troubleTicket/{{troubleTicketId}}"
# 400 and 409 since what a change must be like depends on the ticket; 412 since an If-Match does.
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 404, 400, 409, 412]
# 412 since preconditions are evaluated before the content is (RFC 9110, section 13.2.1).
[operations.checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 414, 415, 422, 428, 429]

[[operations]]
include-name = "POST /event/{{eventId}}/redelivery"
# 409 since an event may wait already.
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 404, 409]

[[operations]]
include-name = "POST /hub"
# 400 since an address must be a public one, which no format says; here no name has an address.
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 400]
"""
#: More of it for the lists of each side.
CONFIGURATIONS = {
    base: "".join(
        f"""
[[operations]]
include-name = "GET {path}"
# 414 since the bound is one on all parameters together, which OpenAPI cannot say.
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 404, 414{more}]
"""
        for path in paths
    )
    for base, paths, more in (
        (BASE, ("/troubleTicket", "/event"), ""),
        # 400 since a filter must name an operator that there is, and names are drawn.
        (BACKOFFICE_BASE, ("/troubleTicket", "/event", "/hub"), ", 400"),
    )
}


@pytest.mark.parametrize("kind", DATABASES)
def test_document(kind: str, tmp_path: Path) -> None:
    """No answer to any request, valid or not, is other than the document says."""
    address = f"sqlite:///{tmp_path}/t.db" if kind == "sqlite" else postgresql()
    # Boundary values are seen by what stands before the database; of that there is one.
    phases = [each for each in PHASES if kind == "sqlite" or each != "coverage"]
    examples = EXAMPLES if kind == "sqlite" else FEW
    # Wrong secrets are tried on purpose.
    many = {"TTR_FAILED_LOGINS": "100000", "TTR_FAILED_LOGINS_PER_ADDRESS": "100000"}
    many["TTR_CHECKS_PER_MINUTE"] = "100000"
    with serving(address, **many) as running:
        ended = run(running, tmp_path, phases, examples)
        assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr[-2_000:]
    assert_all_tested(tmp_path, phases, BASE)


def test_backoffice(tmp_path: Path) -> None:
    """Nor is any on the provider's side, some tickets and events being there."""
    many = {"TTR_FAILED_LOGINS": "100000", "TTR_FAILED_LOGINS_PER_ADDRESS": "100000"}
    phases = [*PHASES]
    with serving(f"sqlite:///{tmp_path}/t.db", **many, TTR_ALLOW_LOOPBACK_CALLBACKS="1") as running:
        operator, provider = running.client(), running.backoffice()
        operator.post("/hub", json={"callback": "http://127.0.0.1:9/"})
        for _ in range(3):
            address = f"/troubleTicket/{operator.created()['id']}"
            provider.patch(address, json={"status": "acknowledged"})
        ended = run(running, tmp_path, phases, FEW, BACKOFFICE_BASE)
        assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr[-2_000:]
    assert_all_tested(tmp_path, phases, BACKOFFICE_BASE)


def assert_all_tested(folder: Path, phases: list[str], base: str) -> None:
    """Assert that every operation of a side was requested, in every phase."""
    operations = sum(
        len(item.keys() - {"parameters"}) for item in DOCUMENTS[base]["paths"].values()
    )
    report = json.loads((folder / "report.json").read_text("utf-8"))
    assert (report["complete"], report["failures"], report["errors"]) == (True, [], [])
    assert report["operations"]["tested"] == report["operations"]["total"] == operations
    assert {name for name, each in report["phases"].items() if each["status"] == "success"} == {
        *phases
    }


def run(
    running: Server, folder: Path, phases: list[str], examples: int, base: str = BASE
) -> subprocess.CompletedProcess[str]:
    """Let schemathesis ask one side of a server, as two of those who may."""
    peers = list(PEERS[base])
    auth = [
        {
            "name": name,
            "fixedHeaders": [
                {"name": "Authorization", "value": basic(name, running.secrets[name])}
            ],
        }
        for name in peers
    ]
    (folder / "auth.json").write_text(json.dumps({"auth": auth}), "utf-8")
    (folder / "st.toml").write_text(
        CONFIGURATION.format(
            hooks=HOOKS, auth=folder / "auth.json", peers=peers, examples=examples, few=FEW
        )
        + CONFIGURATIONS[base],
        "utf-8",
    )
    command = [
        str(Path(sys.executable).with_name("st")),
        f"--config-file={folder / 'st.toml'}",
        "run",
        "--no-color",
        "--max-failures=9",
        "--suppress-health-check=too_slow",
        f"--phases={','.join(phases)}",
        f"--checks={','.join(each for each in CHECKS if each not in UNLIKE[base])}",
        f"--report-json-path={folder / 'report.json'}",
        f"{running.root}{base}/openapi.json",
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def basic(name: str, secret: str) -> str:
    """Return an Authorization header."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()
