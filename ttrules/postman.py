"""A Postman collection of an API, with its environment and the collection that gets a token.

All is made of the OpenAPI document (tags, operations, callbacks, examples, errors) and of the book:
the documented requests with saved answers, and behind them what can be tried: each way to be
refused, the events of a ticket's life, and each process with payloads that have one defect (see
samples). A collection runs from top to bottom; a request that needs something makes it before. The
same files give the same bytes. What the scripts do is the business of scripting.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ttrules import samples, scripting
from ttrules.collecting import (
    Item,
    collection,
    folder,
    identifier,
    item,
    raw,
    request,
    saved,
    script,
    variable,
)
from ttrules.compile import to_bytes
from ttrules.operations import CARRIED_BY, JSON, METHODS, Api, Body, as_schema
from ttrules.scripting import filled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ttrules.book import Book
    from ttrules.operations import Answer, Operation

#: What a sandbox on one's own machine has; an environment is there to be changed.
_ROOT: Final = "http://127.0.0.1:8080"
_LISTENER: Final = "http://127.0.0.1:8090"
_CLIENT: Final = "operator-a"
#: What is nobody's identifier, parameter or entity tag.
_NOTHING: Final = "no-such-thing"
#: What headers look like in saved answers, by name, and what their values must be by type.
_SAMPLES: Final = {
    "Allow": "GET, HEAD, POST",
    "ETag": '"1"',
    "Retry-After": "10",
    "WWW-Authenticate": 'Basic realm="...", Bearer realm="..."',
    "X-Request-Id": "4f1c2a7e9b0d4c58",
}
_VALUES: Final = {"string": "^(?!null$).", "integer": "^[0-9]+$"}
#: The headers that say how many things an answer holds, and what was dropped.
_COUNT: Final = "X-Result-Count"
_DROPPED: Final = "Ticket-Unsupported-Members"
#: The status of an answer to a single finding, where it is not that of all others.
_STATUSES: Final = {"transition": HTTPStatus.CONFLICT}
#: What is sent in valid payloads: what must be, and all that may.
_EXTENTS: Final = ("required", "all")
_EVENTS: Final = (
    "Events are sent to the listener of the environment; a ticket is reported, and changed until"
    " every event has been raised. The address is reset at the end of the collection."
)


def files_of(document: Mapping[str, Any], book: Book) -> dict[str, bytes]:
    """Return the files for Postman by name: collection, environment, and what gets a token.

    Raises KeyError where the document refers to what it does not have, and NoExample.
    """
    info = document["info"]
    api = Api(document, book)
    title = f"{info.get('x-collection', info['title'])} - {info['version']}"
    wholesaler = info.get("contact", {}).get("name", info["title"])
    parts = {
        f"{title}.postman_collection.json": _Folders(api).collection(title),
        f"{wholesaler} TEST Environment.postman_environment.json": _environment(api, wholesaler),
    }
    if api.token_path is not None:
        name = f"{wholesaler} Authorization"
        parts[f"{name}.postman_collection.json"] = _authorization(name)
    return {re.sub(r"[/\\\x00-\x1f]", "-", name): to_bytes(each) for name, each in parts.items()}


def _environment(api: Api, wholesaler: str) -> Item:
    """Return the environment: addresses and credentials."""
    name = f"{wholesaler} TEST Environment"
    values = {
        "baseUrl": _ROOT + api.base,
        "tokenUrl": _ROOT + (api.token_path or ""),
        "clientId": _CLIENT,
        "clientSecret": "",
        "listenerUrl": _LISTENER,
        "signingSecret": "",
        "accessToken": "",
        "accessTokenExpires": "",
    }
    secret = {"clientSecret", "signingSecret", "accessToken"}
    return {
        "id": identifier(name),
        "name": name,
        "values": [
            {
                "key": key,
                "value": value,
                "type": "secret" if key in secret else "default",
                "enabled": True,
            }
            for key, value in values.items()
        ],
        "_postman_variable_scope": "environment",
    }


def _token(secret: str = "{{clientSecret}}") -> Item:  # noqa: S107 - the name of one
    """Return the request for an access token (RFC 6749, section 4.4)."""
    credentials = {"username": "{{clientId}}", "password": secret}
    form = [{"key": "grant_type", "value": "client_credentials", "type": "text"}]
    return {
        "method": "POST",
        "header": [{"key": "Accept", "value": JSON}],
        "auth": {
            "type": "basic",
            "basic": [{"key": k, "value": v, "type": "string"} for k, v in credentials.items()],
        },
        "body": {"mode": "urlencoded", "urlencoded": form},
        "url": {"raw": "{{tokenUrl}}", "host": ["{{tokenUrl}}"]},
    }


def _authorization(name: str) -> Item:
    """Return the collection that gets an access token."""
    right, wrong = _token(), _token("not the secret")
    granted = {"access_token": "...", "token_type": "Bearer", "expires_in": 3600}
    unknown = {"error": "invalid_client", "error_description": "The client is not known by these."}
    challenge = {"name": "WWW-Authenticate", "pattern": "^Basic "}
    items = [
        item(
            "[POST] access token",
            "The client-credentials grant (RFC 6749, section 4.4). The token is kept in the"
            " environment, where the other collection finds it.",
            right,
            tests=filled(scripting.STATUS, title="200: granted", status=200)
            + filled(scripting.GRANTED),
            saved=[saved("200", right, 200, {"Cache-Control": "no-store"}, granted)],
        ),
        item(
            "[POST] access token, with a wrong secret",
            "It is refused (RFC 6749, section 5.2).",
            wrong,
            tests=filled(scripting.STATUS, title="401: not known", status=401)
            + filled(scripting.HEADER, title="header WWW-Authenticate", **challenge)
            + filled(scripting.MEMBER, title="error", name="error", value="invalid_client"),
            saved=[saved("401", wrong, 401, {"WWW-Authenticate": "Basic"}, unknown)],
        ),
    ]
    told = "Gets an access token with the operator's name and secret of the environment."
    return collection(name, told, items)


class _Folders:
    """The folders of an API's collection."""

    def __init__(self, api: Api) -> None:
        self.api, self.book = api, api.book
        self.root: str = self.book.data["root"]
        self.adding, self.changing = (api.ruled(method) for method in CARRIED_BY.values())

    def collection(self, name: str) -> Item:
        """Return the collection of the API."""
        told = [
            self.api.document["info"].get("description", ""),
            "Requests run from top to bottom, or one alone: what it needs is made before.",
        ]
        folders = [
            *self._documented(),
            folder("access token", "Every operation asks for one.", self._strangers()),
            folder("errors", "What else a request is refused for.", self._refused()),
            folder("events", _EVENTS, self._life()),
            *self._processes(),
            folder("end", "No more events are sent.", self._end()),
        ]
        more: Item = {"variable": [{"key": "shapes", "value": json.dumps(self.api.shapes())}]}
        if self.api.token_path is not None:
            token = [{"key": "token", "value": "{{accessToken}}", "type": "string"}]
            more["auth"] = {"type": "bearer", "bearer": token}
            more["event"] = [script("prerequest", filled(scripting.AUTHORIZE, request=_token()))]
        items = [each for each in folders if each["item"]]
        return collection(name, "\n\n".join(filter(None, told)), items, **more)

    # What every request has.

    def _asking(self, operation: Operation, body: Any = None, **more: Any) -> Item:  # noqa: ANN401
        """Return a request about what the collection has made."""
        about = "{{" + self.api.variable(operation.above) + "}}"
        return request(operation, body, **{"about": about, **more})

    def _body(self, operation: Operation) -> Any:  # noqa: ANN401 - any JSON value
        """Return the body that a request has first; None where it takes none."""
        return self._bodies(operation)[0].value

    def _bodies(self, operation: Operation) -> list[Body]:
        """Return what an operation can be sent: as the document shows it, or else as rules are."""
        shown = self.api.bodies(operation)
        if not shown and "requestBody" in operation.node:
            ruling = self.api.ruling(operation)
            shown = [Body(JSON, "", self._valid(each)[0]) for each in ruling[:1]]
        here = dict.fromkeys(self.api.addresses(operation), variable("listenerUrl"))
        return [
            each._replace(value={**each.value, **here} if here else each.value)
            for each in shown or [Body(JSON, "", None)]
        ]

    def _valid(self, process: Mapping[str, Any]) -> list[Item]:
        return samples.valid(self.book, process["name"])

    def _promises(self, answer: Answer) -> list[str]:
        """Return the tests that hold for every answer with a status."""
        title = f"{answer.status}: {answer.description}"
        lines = filled(scripting.STATUS, title=title, status=answer.status)
        for name, header in answer.headers.items():
            pattern = header["schema"].get("pattern", _VALUES[header["schema"]["type"]])
            lines += filled(scripting.HEADER, title=f"header {name}", name=name, pattern=pattern)
        if answer.shape is None:
            lines += filled(scripting.NOTHING)
        else:
            title = "the body is what the document says"
            lines += filled(scripting.SHAPE, title=title, shape=as_schema(answer.shape))
        if _COUNT in answer.headers:
            lines += filled(scripting.COUNT, name=_COUNT)
        return lines

    def _refusal(self, operation: Operation, status: int) -> list[str]:
        """Return the tests of an answer that refuses with the code of the document's example."""
        answer = self.api.answers(operation)[status]
        lines = self._promises(answer)
        for name, value in self.api.error(operation, answer).items():
            if name in {"code", "status"}:
                lines += filled(scripting.MEMBER, title=name, name=name, value=value)
        return lines

    def _needs(self, operation: Operation, body: Any = None) -> list[str]:  # noqa: ANN401
        """Return the script that makes what a request is about, and brings it where it must be."""
        maker = self.api.maker(operation)
        if maker is None:
            return []
        status = body.get(self._status) if isinstance(body, dict) else None
        steps = [self._move(each) for each in self._way(None, status)[:-1]]
        name = self.api.variable(maker.path)
        return scripting.make(maker.path, name, self._body(maker), steps)

    # The life of a ticket.

    @property
    def _status(self) -> str:
        return self.book.lifecycle.field if self.book.lifecycle is not None else ""

    def _way(self, before: str | None, after: object) -> Sequence[str]:
        cycle = self.book.lifecycle
        return cycle.way(before or cycle.initial, after) if cycle is not None else ()

    def _move(self, status: str) -> Item:
        """Return the change that moves a ticket to a status."""
        least = self._valid(self.api.ruling(self.changing)[0])[0] if self.changing else {}
        return {**least, self._status: status}

    def _changes(self, ticket: Mapping[str, Any]) -> Iterator[tuple[str, Item]]:
        """Yield changes of a new ticket that raise every event, each with what it changes."""
        rows = self.book.data["entities"][self.root]
        for name in self._others():
            values = (each for each in rows[name]["shape"]["enum"] if each != ticket.get(name))
            move = self._move("")
            del move[self._status]
            yield name, {**move, name: next(values)}
        here = None
        for trigger in self.book.data["lifecycle"]["events"].values():
            for status in self._way(here, trigger.get("to")):
                yield status, self._move(status)
                here = status

    def _others(self) -> list[str]:
        """Return a member that an operator may change and of which no event tells by itself."""
        cycle, rows = self.book.data["lifecycle"], self.book.data["entities"][self.root]
        told = {name for names in cycle["carries"].values() for name in names}
        told |= {*cycle["always"], self.book.data["selection"]["field"]}
        ruling = self.api.ruling(self.changing) if self.changing else []
        columns = [self.book.processes().index(each["name"]) for each in ruling]
        return [
            name
            for name, row in rows.items()
            if {row["requirements"][column] for column in columns} == {"O"}
            and len(row["shape"].get("enum", ())) > 1
            and name not in told
        ][:1]

    # Folders.

    def _documented(self) -> Iterator[Item]:
        """Yield a folder for each tag."""
        tags = self.api.document.get("tags") or [{"name": "requests"}]
        for tag in tags:
            mine = [
                each
                for each in self.api.operations
                if tag["name"] in each.node.get("tags", [tags[0]["name"]])
            ]
            mine.sort(key=lambda each: (METHODS.index(each.method), len(each.path)))
            items = [made for each in mine for made in self._of(each)]
            for number, (event, node) in enumerate(self.api.events().items()):
                if tag["name"] in node.get("tags", ()):
                    items += self._listening(event, node, is_first=number == 0)
            yield folder(tag["name"], tag.get("description", ""), items)

    def _of(self, operation: Operation) -> Iterator[Item]:
        """Yield the documented requests of an operation: one for each media type of its body."""
        answer = self.api.success(operation)
        described = [operation.node.get(name, "") for name in ("summary", "description")]
        seen: set[str] = set()
        for media_type, summary, body in self._bodies(operation):
            if media_type in seen:
                continue
            seen.add(media_type)
            told = [*described, f"In the Body tab: {summary}." if summary else ""]
            yield item(
                operation.name + ("" if len(seen) == 1 else f", {media_type}"),
                "\n\n".join(filter(None, told)),
                self._asking(operation, body, media_type=media_type),
                before=self._needs(operation, body),
                tests=[*self._promises(answer), *self._meaning(operation, body)],
                saved=self._saved(operation) if len(seen) == 1 else [],
            )
        filters = {e["name"]: str(e["example"]) for e in operation.takes("query") if "example" in e}
        if filters and not operation.takes("path"):
            yield item(
                f"{operation.name}, filtered",
                "With the parameters of which the document has an example.",
                self._asking(operation, query=filters),
                tests=self._promises(answer),
            )

    def _meaning(self, operation: Operation, body: Any) -> list[str]:  # noqa: ANN401
        """Return the tests of what an answer says, and what is kept of it."""
        answer, name = self.api.success(operation), self.api.variable(operation.above)
        lines: list[str] = []
        if isinstance(body, dict) and answer.shape is not None:
            lines += filled(scripting.SENT)
        if operation.method == "post" and answer.shape is not None:
            names = list(self._answered(operation, body, None))
            lines += filled(scripting.MEMBERS, title="the server fills in the rest", names=names)
            lines += filled(scripting.KEEP, variable=name)
        elif operation.method == "delete":
            lines += filled(scripting.FORGET, variable=name)
        elif self.api.maker(operation) is not None:
            lines += filled(scripting.IDENTIFIER, variable=name)
        return lines

    def _saved(self, operation: Operation) -> list[Item]:
        """Return saved answers: one for each body that is shown, each process and each error."""
        answer = self.api.success(operation)
        shown: list[tuple[str, Body, str | None]] = [
            (f"{answer.status} {each.summary}".strip(), each, None)
            for each in self._bodies(operation)
        ]
        shown += [
            (f"{answer.status} {process['name']}: {extent}", Body(JSON, "", body), process["name"])
            for process in self.api.ruling(operation)
            for extent, body in zip(_EXTENTS, self._valid(process), strict=False)
        ]
        found = []
        for name, body, process in shown:
            asked = self._asking(operation, body.value, media_type=body.media_type)
            told = self._answered(operation, body.value, process)
            found.append(saved(name, asked, answer.status, self._headers(answer), told))
        for error in self.api.errors(operation):
            asked, told = self._asking(operation), self.api.error(operation, error)
            name = f"{error.status} {told.get('code', '')}".strip()
            found.append(saved(name, asked, error.status, self._headers(error), told))
        return found

    def _headers(self, answer: Answer) -> dict[str, str]:
        """Return the headers of a saved answer."""
        made = {"integer": "1", "string": f"{self.api.base}/{samples.NUMBER}"}
        return {
            name: _SAMPLES.get(name, made[header["schema"]["type"]])
            for name, header in answer.headers.items()
        }

    def _answered(self, operation: Operation, body: Any, process: str | None) -> Any:  # noqa: ANN401
        """Return the body of a saved answer; `process` is the one that rules what is sent."""
        answer = self.api.success(operation)
        if answer.shape is None:
            return None
        if self.adding is None or operation.above != self.adding.path:
            return {"id": samples.NUMBER, **(body or {})}
        path = self.api.base + self.adding.path
        if operation == self.adding:
            return samples.stored(self.book, body, path)
        first = self._body(self.adding)
        if operation != self.changing:
            ticket = samples.stored(self.book, first, path)
            return [ticket] if answer.shape.get("type") == "array" else ticket
        first = samples.changed(self.book, process) if process else first
        ticket = samples.stored(self.book, first, path)
        status = body.get(self._status) if isinstance(body, dict) else None
        for each in self._way(None, status)[:-1]:
            ticket[self._status] = each
        return samples.completed(self.book, self.book.validate_change(ticket, body).ticket)

    def _listening(self, event: str, node: Mapping[str, Any], *, is_first: bool) -> Iterator[Item]:
        """Yield the request that sends an event to the listener, and one that is signed wrongly."""
        status = min(int(each) for each in node["responses"] if each.isdecimal())
        told = " ".join(node["responses"][str(status)]["description"].split())
        asked = self._event(event, node)
        yield item(
            f"[POST]/{event}",
            f"{node.get('summary', event)}. It is sent to the listener, signed.",
            asked,
            before=filled(scripting.SIGN, isRight=True),
            tests=filled(scripting.STATUS, title=f"{status}: {told}", status=status),
            saved=[saved(str(status), asked, status, {}, None)],
        )
        if is_first:
            yield item(
                f"[POST]/{event}, with a wrong signature",
                "It is refused by a listener that has the secret.",
                asked,
                before=filled(scripting.SIGN, isRight=False),
                tests=filled(scripting.STATUS, title="401: not signed by the secret", status=401),
            )

    def _event(self, event: str, node: Mapping[str, Any]) -> Item:
        """Return the request that carries an event."""
        shape = self.api.at(node["requestBody"]["content"][JSON]["schema"])
        cycle = self.book.data["lifecycle"]
        carried = cycle["carries"].get(event) or self._others()
        names = dict.fromkeys([*cycle["always"], *carried])
        ticket = {name: samples.likely(self.book, self.root, name) for name in names}
        if (to := cycle["events"][event].get("to")) is not None:
            ticket[cycle["field"]] = to
        values = {
            "id": ticket.get("id"),
            "href": ticket.get("href"),
            "eventId": variable("eventId"),
            "eventTime": variable("eventTime"),
            "timeOcurred": variable("eventTime"),
            "eventType": event,
            "domain": self.root,
            "title": shape.get("description"),
            "fieldPath": ",".join(carried),
            "event": {f"{self.root[:1].lower()}{self.root[1:]}": ticket},
        }
        headers = {
            "Content-Type": JSON,
            "webhook-id": "{{eventId}}",
            "webhook-timestamp": "{{eventSeconds}}",
            "webhook-signature": "{{eventSignature}}",
        }
        return {
            "method": "POST",
            "auth": {"type": "noauth"},
            "header": [{"key": name, "value": value} for name, value in headers.items()],
            "body": raw({each: values[each] for each in shape["properties"] if values.get(each)}),
            "url": {
                "raw": f"{{{{listenerUrl}}}}/{event}",
                "host": ["{{listenerUrl}}"],
                "path": [event],
            },
        }

    def _strangers(self) -> Iterator[Item]:
        """Yield each operation without an access token."""
        for each in self.api.operations:
            if HTTPStatus.UNAUTHORIZED in self.api.answers(each):
                yield item(
                    f"401 {each.name}",
                    "Without an access token.",
                    request(each, self._body(each), about=_NOTHING, is_open=True),
                    tests=self._refusal(each, HTTPStatus.UNAUTHORIZED),
                )

    def _refused(self) -> Iterator[Item]:
        """Yield ways to be refused that the document lists, for each operation that has them."""
        for each in self.api.operations:
            body, known = self._body(each), self.api.answers(each)
            ways: dict[int, tuple[str, Item]] = {}
            if each.takes("query"):
                ways[400] = ("There is no such parameter.", {"query": {_NOTHING: "1"}})
            if each.takes("path"):
                ways[404] = ("There is no such thing.", {"about": _NOTHING})
            ways[406] = ("Another media type is asked for.", {"headers": {"Accept": "text/html"}})
            if any(header["name"] == "If-Match" for header in each.takes("header")):
                tag = {"If-Match": f'"{_NOTHING}"'}
                ways[412] = ("It has changed since it had this entity tag.", {"headers": tag})
            if body is not None:
                ways[415] = ("The body is of another media type.", {"media_type": "text/plain"})
            for status in sorted(ways.keys() & known.keys()):
                told, more = ways[status]
                yield item(
                    f"{status} {each.name}",
                    told,
                    self._asking(each, body, **more),
                    before=self._needs(each),
                    tests=self._refusal(each, status),
                )

    def _life(self) -> Iterator[Item]:
        """Yield the requests that raise every event once the listener is registered."""
        hub, adding, changing = self.api.hub(), self.adding, self.changing
        if hub is None or adding is None or changing is None or self.book.lifecycle is None:
            return
        for each in (hub, adding):
            answer, name = self.api.success(each), self.api.variable(each.path)
            tests = [*self._promises(answer), *filled(scripting.KEEP, variable=name)]
            yield item(each.name, "", self._asking(each, self._body(each)), tests=tests)
        tests = [*self._promises(self.api.success(changing)), *filled(scripting.SENT)]
        for what, body in self._changes(self._body(adding)):
            name = f"{changing.name}, {what}"
            yield item(name, "", self._asking(changing, body), tests=tests)

    def _processes(self) -> Iterator[Item]:
        """Yield a folder for each process."""
        for operation in filter(None, (self.adding, self.changing)):
            for each in self.api.ruling(operation):
                about, before = "", []
                if operation == self.changing:
                    about = f"{each['slug']}-ticket"
                    ticket = samples.changed(self.book, each["name"])
                    before = scripting.make(operation.above, about, ticket, [])
                told = f"Payloads of {each['name']}: valid ones, and one for each defect."
                items = self._tried(each["name"], operation, f"{{{{{about}}}}}")
                yield folder(each["name"], told, items, before=before)

    def _tried(self, process: str, operation: Operation, about: str) -> Iterator[Item]:
        """Yield the requests that try a process."""
        answer, answers = self.api.success(operation), self.api.answers(operation)
        for extent, body in zip(_EXTENTS, samples.valid(self.book, process), strict=False):
            tests = [*self._promises(answer), *filled(scripting.SENT)]
            asked = request(operation, body, about=about)
            yield item(f"valid: {extent}", "It meets every rule.", asked, tests=tests)
        for sample in samples.broken(self.book, process):
            title = f"{sample.code} {sample.pointer}"
            if sample.is_error:
                status = _STATUSES.get(sample.code, HTTPStatus.BAD_REQUEST)
                found = {"code": sample.code, "pointer": sample.pointer}
                tests = filled(scripting.VIOLATION, title=title, **found)
                tests = [*self._promises(answers[status]), *tests]
            else:
                named = {"name": _DROPPED, "pattern": f"(^|,){re.escape(sample.pointer)}(,|$)"}
                tests = filled(scripting.HEADER, title=title, **named)
                tests = [*self._promises(answer), *tests]
            asked = request(operation, sample.payload, about=about)
            yield item(title, sample.message, asked, tests=tests)

    def _end(self) -> Iterator[Item]:
        """Yield the request that resets the address of the listener."""
        hub = self.api.hub()
        for each in self.api.operations:
            if hub is not None and (each.path, each.method) == (hub.path, "delete"):
                tests = self._promises(self.api.success(each))
                tests += filled(scripting.FORGET, variable=self.api.variable(each.path))
                yield item(each.name, "", self._asking(each), tests=tests)
