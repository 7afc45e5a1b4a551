"""The APIs that one server program serves: what tests of all of them need to know about each.

The tests of behaviour that does not depend on the API are in tests/api/test_every_profile.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from server.profile.reader import read_profile
from tests.support.profiles import SHIPPED

if TYPE_CHECKING:
    from server.profile.model import Profile

_ROOT: Final = Path(__file__).parents[2]


class Api(NamedTuple):
    """One API: its profile, a payload, changes, and the names that it uses.

    `required` is a member that `new` needs. `change` does not move the status; `moves` are two
    statuses that follow each other from the initial one, `no_move` is one that does not. `told` are
    the events of creating, `change` and the first move, each with the path that is added to a
    callback; `place` is where an event has the resource.
    """

    name: str
    profile: Profile
    resources: str
    hub: str
    identifier: str
    status: str
    new: dict[str, Any]
    required: str
    filtered: str
    change: dict[str, Any]
    moves: tuple[str, str]
    no_move: str
    told: tuple[tuple[str, str], ...]
    place: tuple[str, ...]


_TICKET: Final = ("event", "troubleTicket")

OURS: Final = Api(
    name="shipped",
    profile=SHIPPED,
    resources="/troubleTicket",
    hub="/hub",
    identifier="id",
    status="status",
    new={
        "@type": "TroubleTicket",
        "ticketType": "Complaint",
        "ticketSubtype": "Other",
        "externalId": "1",
        "name": "A name",
        "description": "A description",
        "origin": "Web",
        "relatedParty": [{"@referredType": "Organization", "id": "1", "role": "reporter"}],
    },
    required="ticketSubtype",
    filtered="externalId",
    change={"@type": "TroubleTicket", "origin": "Phone"},
    moves=("acknowledged", "inProgress"),
    no_move="closed",
    told=(
        (
            "TroubleTicketAttributeValueChangeEvent",
            "/TroubleTicketAttributeValueChangeEvent",
        ),
        ("TroubleTicketStatusChangeEvent", "/TroubleTicketStatusChangeEvent"),
    ),
    place=_TICKET,
)
TMF621: Final = Api(
    name="tmf621-v4",
    profile=read_profile(_ROOT / "spec" / "profiles" / "tmf621-v4"),
    resources="/troubleTicket",
    hub="/hub",
    identifier="id",
    status="status",
    new={
        "description": "No signal",
        "severity": "High",
        "ticketType": "incident",
        "externalId": "1",
    },
    required="severity",
    filtered="externalId",
    change={"priority": "Critical"},
    moves=("inProgress", "held"),
    no_move="closed",
    told=(
        ("TroubleTicketCreateEvent", "/listener/troubleTicketCreateEvent"),
        (
            "TroubleTicketAttributeValueChangeEvent",
            "/listener/troubleTicketAttributeValueChangeEvent",
        ),
        ("TroubleTicketStatusChangeEvent", "/listener/troubleTicketStatusChangeEvent"),
    ),
    place=_TICKET,
)
ORDER: Final = Api(
    name="order",
    profile=read_profile(_ROOT / "tests" / "profiles" / "order"),
    resources="/orders",
    hub="/notifications",
    identifier="number",
    status="state",
    new={
        "reference": "1",
        "quantity": 2,
        "price": 12.5,
        "urgent": False,
        "address": {"street": "Long 1", "city": "Gdynia"},
        "lines": [{"product": "router"}],
    },
    required="address",
    filtered="reference",
    change={"quantity": 3},
    moves=("confirmed", "shipped"),
    no_move="shipped",
    told=(("order.placed", ""), ("order.amended", ""), ("order.moved", "")),
    place=("data",),
)
#: All of them.
APIS: Final = (OURS, TMF621, ORDER)
