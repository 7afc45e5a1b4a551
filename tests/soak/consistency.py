"""Clients change the same tickets through several server processes, and nothing may be lost.

    python tests/soak/consistency.py [--quick]

runs the whole program on PostgreSQL with two processes and with `serve --workers 2`, and on SQLite
with one process, and prints a line of Figures for each. It ends with an AssertionError where a
change that was answered with 200 is lost, repeated, or not in the order of the versions. `judge` is
pure: it reads a History only.
"""

from __future__ import annotations

import base64
import random
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import text

from server.storage.database import Database
from tests.support.databases import postgresql
from tests.support.servers import BASE, NAMES, PROVIDER, Server, serving, started
from tests.support.tickets import complaint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

#: How many clients there are; each has a member of the ticket that it alone writes.
CLIENTS: Final = 8
OWNERS: Final = NAMES[:2]
#: The way of a ticket until it is closed.
_WAY: Final = ("acknowledged", "inProgress", "resolved", "closed")


class State(NamedTuple):
    """The parts of a ticket that the clients write."""

    members: dict[str, Any]
    status: str
    notes: tuple[str, ...]
    attachments: tuple[str, ...]


class Change(NamedTuple):
    """A change that was answered: what it wrote, when, and the answer.

    `part` is "note", "attachment", "status" or a member's name; `matched` is the version that
    If-Match named. `version` and `state` are those of a 200.
    """

    ticket: str
    part: str
    value: Any
    begun: float
    ended: float
    code: int
    matched: int | None = None
    version: int = 0
    state: State | None = None


class Read(NamedTuple):
    """A ticket that was read: when, and what it was."""

    ticket: str
    begun: float
    ended: float
    version: int
    state: State


class History(NamedTuple):
    """All that clients have seen; `final` has each ticket as it was read after all changes."""

    changes: list[Change]
    reads: list[Read]
    final: dict[str, tuple[int, State]]


class Figures(NamedTuple):
    """The result of a run. All but the first three must be 0."""

    changes: int
    notes: int
    conflicts: int
    #: Changes that the next version of the ticket does not have, and that it has more than once.
    lost: int
    duplicated: int
    #: Changes and reads that got an older version than one that was answered before they began.
    disordered: int
    #: Versions that two changes were given, or that nobody was given.
    versions: int
    #: Reads whose state is not the one that the change of the same version was answered with.
    torn: int
    #: Changes with If-Match that did not make the version after the one they named.
    unmatched: int
    #: Tickets that left a final status.
    reopened: int
    #: Answers with a 5xx.
    failed: int
    #: What the database says: tickets made twice by one key, events out of order or for nobody.
    keys: int = 0
    events: int = 0

    def hold(self) -> None:
        """Assert that nothing is wrong."""
        assert self[3:] == (0,) * len(self[3:]), self


def judge(history: History) -> Figures:
    """Return what a history shows."""
    counts: Counter[str] = Counter()
    made = [each for each in history.changes if each.code == 200]
    of_ticket: defaultdict[str, list[Change]] = defaultdict(list)
    reads: defaultdict[str, list[Read]] = defaultdict(list)
    for change in made:
        of_ticket[change.ticket].append(change)
    for read in history.reads:
        reads[read.ticket].append(read)
    for ticket, (version, state) in history.final.items():
        changes = sorted(of_ticket[ticket], key=lambda each: (each.version, each.ended))
        seen = [each.version for each in changes]
        counts["versions"] += len(seen) - len(set(seen))
        counts["versions"] += len(set(range(2, version + 1)).symmetric_difference(seen))
        _follow(changes, [*(each.state for each in changes), state], counts)
        _order(changes, reads[ticket], counts)
        states = {each.version: each.state for each in changes}
        for read in (*reads[ticket], Read(ticket, 0, 0, version, state)):
            counts["torn"] += read.version in states and states[read.version] != read.state
    codes = Counter(each.code for each in history.changes)
    return Figures(
        changes=sum(each.part not in {"note", "attachment", "status"} for each in made),
        notes=sum(each.part == "note" for each in made),
        conflicts=codes[409] + codes[412],
        lost=counts["lost"],
        duplicated=counts["duplicated"],
        disordered=counts["disordered"],
        versions=counts["versions"],
        torn=counts["torn"],
        unmatched=sum(each.matched not in {None, each.version - 1} for each in made),
        reopened=counts["reopened"],
        failed=sum(count for code, count in codes.items() if code >= 500),
    )


def _follow(
    changes: Sequence[Change], states: Sequence[State | None], counts: Counter[str]
) -> None:
    """Count the changes that the state after them does not have, and what is there twice."""
    status = ""
    for at, change in enumerate(changes):
        own, after = states[at], states[at + 1]
        assert own is not None
        assert after is not None
        following = changes[at + 1].part if at + 1 < len(changes) else None
        for state, by in ((own, change.part), (after, following)):
            if by == change.part and state is after and by not in {"note", "attachment"}:
                continue  # the next change has written the same member
            found = _times(state, change)
            counts["lost"] += found == 0
            counts["duplicated"] += found > 1
        counts["reopened"] += status == "closed" != own.status
        status = own.status
    if changes and (last := states[-1]) is not None:
        counts["reopened"] += status == "closed" != last.status
        for change in changes[:-1]:  # a note of long ago is there too, once
            if change.part in {"note", "attachment"}:
                found = _times(last, change)
                counts["lost"] += found == 0
                counts["duplicated"] += found > 1


def _times(state: State, change: Change) -> int:
    """Return how many times a state has what a change wrote."""
    if change.part == "note":
        return state.notes.count(change.value)
    if change.part == "attachment":
        return state.attachments.count(change.value)
    if change.part == "status":
        return int(state.status == change.value)
    return int(state.members.get(change.part) == change.value)


def _order(changes: Sequence[Change], reads: Sequence[Read], counts: Counter[str]) -> None:
    """Count what began after an answer and yet got a version that is not newer, or is older."""
    answers = [(each.ended, each.version) for each in changes]
    answers = sorted([*answers, *((each.ended, each.version) for each in reads)])
    begun = [(each.begun, each.version - 1) for each in changes]
    begun += [(each.begun, each.version) for each in reads]
    at = newest = 0
    for moment, most in sorted(begun):
        while at < len(answers) and answers[at][0] < moment:
            newest = max(newest, answers[at][1])
            at += 1
        counts["disordered"] += newest > most


def state_of(ticket: Mapping[str, Any]) -> State:
    """Return the parts of a ticket that the clients write."""
    return State(
        {each.name: each.read(ticket[each.name]) for each in MEMBERS if each.name in ticket},
        ticket["status"],
        tuple(each["text"] for each in ticket.get("note", ())),
        tuple(each["content"] for each in ticket.get("attachment", ())),
    )


class Member(NamedTuple):
    """A member that one client writes: by whom it may be, and how a word becomes its value."""

    name: str
    is_providers: bool = False
    written: Callable[[str], Any] = str
    read: Callable[[Any], Any] = str


def _party(word: str) -> list[dict[str, str]]:
    return [{"@referredType": "Organization", "id": word, "role": "Customer"}]


def _instant(word: str) -> str:
    return f"2031-01-01T00:00:00.{int(word.rpartition('-')[2]):06}Z"


#: One member a client; the operator may write the first four, the provider the others.
MEMBERS: Final = (
    Member("description"),
    Member("name"),
    Member("externalId"),
    Member("relatedParty", written=_party, read=lambda value: value[0]["id"]),
    Member("statusChangeReason", is_providers=True),
    Member("resolutionComment", is_providers=True),
    Member("correlationId", is_providers=True),
    Member("expectedResolutionDate", is_providers=True, written=_instant, read=str),
)


class Plan(NamedTuple):
    """How much is done; the numbers are of the whole run."""

    changes: int
    notes: int
    attachments: int
    closings: int
    hubs: int
    keys: int
    tickets: int = 24


FULL: Final = Plan(10_000, 2_000, 200, 40, 300, 100)
QUICK: Final = Plan(400, 80, 16, 4, 24, 8, tickets=6)


class Run:
    """The clients of one run. `servers` are processes that share a database."""

    def __init__(self, servers: Sequence[Server], seed: int = 13) -> None:
        self.servers = servers
        self._seed = seed
        self._tickets: list[tuple[str, str]] = []
        self._closing: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        self.changes: list[Change] = []
        self.reads: list[Read] = []
        self.failed = self.made = 0
        self.by_key: dict[str, set[str]] = defaultdict(set)
        self._errors: list[BaseException] = []

    def run(self, plan: Plan) -> Figures:
        """Do what is planned, with CLIENTS clients at once, and return what came of it."""
        first = _Client(self, 0)
        self._tickets = [first.new() for _ in range(plan.tickets)]
        self._closing = [first.new() for _ in range(plan.closings)]
        self.made = plan.tickets + plan.closings
        threads = [
            threading.Thread(target=self._work, args=(number, self._tasks(plan, number)))
            for number in range(CLIENTS)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        if self._errors:
            raise self._errors[0]
        final = {ticket: first.final(owner, ticket) for owner, ticket in self._all()}
        figures = judge(History(self.changes, self.reads, final))
        keys = sum(len(each) - 1 for each in self.by_key.values())
        keys += abs(first.total() - self.made - len(self.by_key))
        return figures._replace(failed=figures.failed + self.failed, keys=keys)

    def _all(self) -> list[tuple[str, str]]:
        return [*self._tickets, *self._closing]

    def _tasks(self, plan: Plan, number: int) -> list[tuple[str, Any]]:
        """Return what a client does, in a random order."""
        tasks: list[tuple[str, Any]] = []
        for name, count in (("change", plan.changes), ("note", plan.notes)):
            tasks += [(name, None)] * len(range(number, count, CLIENTS))
        tasks += [("attach", None)] * len(range(number, plan.attachments, CLIENTS))
        tasks += [("close", at) for at in range(number, plan.closings, CLIENTS)]
        tasks += [("hub", None)] * len(range(number, plan.hubs, CLIENTS))
        random.Random(self._seed + number).shuffle(tasks)
        # Every client uses all keys, in the same order, so that they meet.
        step = max(1, len(tasks) // (plan.keys + 1))
        for at in range(plan.keys):
            tasks.insert(at * (step + 1), ("key", f"key-{at}"))
        return tasks

    def _work(self, number: int, tasks: Iterable[tuple[str, Any]]) -> None:
        client = _Client(self, number)
        try:
            for name, what in tasks:
                client.do(name, what)
        except BaseException as error:  # noqa: BLE001 - raised again by `run`
            self._errors.append(error)

    def pick(self, chance: random.Random) -> tuple[str, str]:
        """Return a ticket that is not to be closed, and its owner."""
        return chance.choice(self._tickets)

    def closing(self, at: int) -> tuple[str, str]:
        """Return a ticket that is to be closed, and its owner."""
        return self._closing[at]


class _Client:
    """One client: it asks a random server each time."""

    def __init__(self, run: Run, number: int) -> None:
        self._run = run
        self._member = MEMBERS[number]
        self._number = number
        self._turn = 0
        self._chance = random.Random(number)
        self._clients = {
            who: [
                each.backoffice() if who == PROVIDER else each.client(who) for each in run.servers
            ]
            for who in (*OWNERS, PROVIDER)
        }

    def _ask(self, who: str, method: str, path: str, **more: Any) -> Any:
        # A server may close an idle connection just when a request is sent: each has its own.
        headers = {"Connection": "close", **more.pop("headers", {})}
        client = self._chance.choice(self._clients[who])
        answer = client(method, path, held=False, headers=headers, **more)
        self._run.failed += answer.status_code >= 500 and method != "PATCH"
        return answer

    def _word(self) -> str:
        self._turn += 1
        return f"client {self._number}-{self._turn}"

    def new(self) -> tuple[str, str]:
        """Create a ticket with a note and an attachment, and return its owner and its id."""
        owner = self._chance.choice(OWNERS)
        body = {**complaint(), "note": [{"text": "first"}], "attachment": [_attachment("first")]}
        answer = self._ask(owner, "POST", "/troubleTicket", json=body)
        assert answer.status_code == 201, answer.text
        return owner, answer.json()["id"]

    def final(self, owner: str, ticket: str) -> tuple[int, State]:
        """Return a ticket as it is, by any server."""
        answer = self._ask(owner, "GET", f"/troubleTicket/{ticket}")
        return _version(answer), state_of(answer.json())

    def total(self) -> int:
        """Return how many tickets there are."""
        answer = self._ask(PROVIDER, "GET", "/troubleTicket?limit=1")
        return int(answer.headers["X-Total-Count"])

    def do(self, name: str, what: Any) -> None:
        """Do one thing."""
        getattr(self, f"_{name}")(what)

    def _change(self, _: object) -> None:
        owner, ticket = self._run.pick(self._chance)
        self._write(owner, ticket)

    def _write(self, owner: str, ticket: str) -> None:
        """Write the member that is this client's; half of the time with If-Match, until it fits."""
        who = PROVIDER if self._member.is_providers else owner
        word = self._word()
        value = self._member.written(word)
        body = {"@type": "TroubleTicket", self._member.name: value}
        matches = self._chance.random() < 0.5
        code = 412
        while code == 412:
            matched = self._read(who, ticket) if matches else None
            headers = {} if matched is None else {"If-Match": f'"{matched}"'}
            code = self._patch(
                who,
                ticket,
                self._member.name,
                self._member.read(value),
                matched=matched,
                headers=headers,
                json=body,
            )

    def _read(self, who: str, ticket: str) -> int:
        begun = time.monotonic()
        answer = self._ask(who, "GET", f"/troubleTicket/{ticket}")
        assert answer.status_code == 200, answer.text
        version = _version(answer)
        read = Read(ticket, begun, time.monotonic(), version, state_of(answer.json()))
        self._run.reads.append(read)
        return version

    def _patch(
        self,
        who: str,
        ticket: str,
        part: str,
        value: Any,
        *,
        matched: int | None = None,
        **more: Any,
    ) -> int:
        begun = time.monotonic()
        answer = self._ask(who, "PATCH", f"/troubleTicket/{ticket}", **more)
        ended = time.monotonic()
        code: int = answer.status_code
        change = Change(ticket, part, value, begun, ended, code, matched)
        if code == 200:
            change = change._replace(version=_version(answer), state=state_of(answer.json()))
        else:
            assert code in {409, 412} or code >= 500, answer.text
        self._run.changes.append(change)
        return code

    def _add(self, who: str, ticket: str, part: str, item: Mapping[str, str], value: str) -> None:
        headers = {"Content-Type": "application/json-patch+json"}
        body = [{"op": "add", "path": f"/{part}/-", "value": item}]
        self._patch(who, ticket, part, value, headers=headers, json=body)

    def _note(self, _: object, where: tuple[str, str] | None = None) -> None:
        owner, ticket = where or self._run.pick(self._chance)
        who = self._chance.choice((owner, PROVIDER))
        word = self._word()
        self._add(who, ticket, "note", {"text": word}, word)

    def _attach(self, _: object) -> None:
        owner, ticket = self._run.pick(self._chance)
        item = _attachment(self._word())
        self._add(owner, ticket, "attachment", item, item["content"])

    def _close(self, at: int) -> None:
        """Bring a ticket to its end while others change it, and let notes follow."""
        owner, ticket = self._run.closing(at)
        others = [
            threading.Thread(target=_Client(self._run, number).disturb, args=(owner, ticket, at))
            for number in range(CLIENTS)
            if number % 4 == self._number % 4
        ]
        for each in others:
            each.start()
        for status in _WAY:
            body = {"@type": "TroubleTicket", "status": status}
            code = 503
            while code == 503:
                code = self._patch(PROVIDER, ticket, "status", status, json=body)
        self._note(None, (owner, ticket))
        for each in others:
            each.join()

    def disturb(self, owner: str, ticket: str, at: int) -> None:
        """Change a ticket that is being closed; what comes too late may be refused."""
        self._turn = 100_000 + at * 10
        for _ in range(3):
            self._write(owner, ticket)

    def _hub(self, _: object) -> None:
        owner = self._chance.choice(OWNERS)
        if self._chance.random() < 0.6:
            body = {"callback": "http://127.0.0.1:9/listener"}
            answer = self._ask(owner, "POST", "/hub", json=body)
            assert answer.status_code == 201 or answer.status_code >= 500, answer.text
        else:
            answer = self._ask(owner, "DELETE", "/hub")
            assert answer.status_code in {204, 404} or answer.status_code >= 500, answer.text

    def _key(self, key: str) -> None:
        """Create a ticket with a key that others use at the same time, until it is created."""
        body = {**complaint(), "description": key}
        code = 409
        while code == 409:
            answer = self._ask(
                OWNERS[0], "POST", "/troubleTicket", json=body, headers={"Idempotency-Key": key}
            )
            code = answer.status_code
        assert code == 201 or code >= 500, answer.text
        if code == 201:
            self._run.by_key[key].add(answer.json()["id"])


def _attachment(word: str) -> dict[str, str]:
    content = base64.b64encode(word.encode()).decode()
    return {
        "@referredType": "Attachment",
        "name": "a.txt",
        "mimeType": "text/plain",
        "content": content,
    }


def _version(answer: Any) -> int:
    return int(answer.headers["ETag"].strip('"'))


def _events(database: str) -> int:
    """Return how many events are not in the order of their changes, or wait for no address."""
    store = Database(database)
    try:
        return store.read_now(_disordered) + store.read_now(_left_over)
    finally:
        store.close()


def _disordered(connection: Connection) -> int:
    found = text(
        "SELECT count(*) FROM event a JOIN event b ON a.ticket = b.ticket"
        " WHERE a.number < b.number AND a.seq >= b.seq"
    )
    return int(connection.execute(found).scalar_one())


def _left_over(connection: Connection) -> int:
    found = text(
        "SELECT count(*) FROM event e WHERE e.state = 'pending' AND NOT EXISTS"
        " (SELECT 1 FROM subscription s WHERE s.operator = e.operator)"
    )
    return int(connection.execute(found).scalar_one())


#: Callbacks are loopback addresses that nobody listens at.
_SETTINGS: Final = {
    "TTR_ALLOW_LOOPBACK_CALLBACKS": "1",
    "TTR_CHECKER": "0",
    "TTR_LOG_LEVEL": "ERROR",
    "TTR_SIGNING_KEY": base64.b64encode(bytes(32)).decode(),
}


@contextmanager
def processes(kind: str, folder: str) -> Iterator[list[Server]]:
    """Run the servers of a kind: "sqlite", "two processes" or "two workers" on PostgreSQL."""
    with ExitStack() as stack:
        if kind == "two processes":
            one = stack.enter_context(serving(postgresql(), **_SETTINGS))
            settings = {**_SETTINGS, "TTR_DATABASE_URL": one.database}
            process = stack.enter_context(started(**settings))
            assert process.stdout is not None
            root = process.stdout.readline().split()[1].removesuffix(BASE)
            yield [one, one._replace(root=root, process=process)]
            return
        more = {}
        if kind == "two workers":
            more = {"TTR_WORKERS": "2", "TTR_PORT": str(_free_port())}
        address = postgresql() if more else f"sqlite:///{folder}/tickets.db"
        server = stack.enter_context(serving(address, **_SETTINGS, **more))
        if more:
            _await_workers(server)
        yield [server]


def _free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _await_workers(server: Server) -> None:
    """Wait until a worker answers; the parent says that it serves before they do."""
    import requests

    for _ in range(600):
        try:
            requests.get(f"{server.root}/health/live", timeout=5)
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(server.root)


KINDS: Final = ("two processes", "two workers", "sqlite")


def run(kind: str, plan: Plan) -> Figures:
    """Run a plan on the servers of a kind, and return what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        with processes(kind, folder) as servers:
            figures = Run(servers).run(plan)
        return figures._replace(events=_events(servers[0].database))


def main(words: Sequence[str]) -> None:
    """Run the whole plan, or a small one, on every kind, or on those that are named."""
    plan = QUICK if "--quick" in words else FULL
    found = []
    for kind in [each for each in words if each in KINDS] or KINDS:
        begun = time.monotonic()
        figures = run(kind, plan)
        print(f"{kind}, {time.monotonic() - begun:.0f} s: {figures}", flush=True)
        found.append(figures)
    for figures in found:
        figures.hold()


if __name__ == "__main__":
    main(sys.argv[1:])
