"""The folders of a Postman collection, in the order in which Postman runs them.

First the requests of each tag of the document; then each operation without a token, requests that
are rejected, the events of a ticket's lifecycle, payloads with one defect for each process, and the
clean-up. A new folder is a generator here.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ttrules.codes import noun_of
from ttrules.examples import defective
from ttrules.exports.openapi.operations import METHODS, Operation, is_json
from ttrules.exports.postman import scripts
from ttrules.exports.postman.events import Events
from ttrules.exports.postman.items import (
    collection,
    folder,
    item,
    script,
    shown,
)
from ttrules.exports.postman.requests import EXTENTS, Requests
from ttrules.exports.postman.scripts import filled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttrules.exports.openapi.reader import Answer, Api, Scheme
    from ttrules.exports.postman.items import Item
    from ttrules.json_values import JSONValue
    from ttrules.matrix import Process

#: An unknown identifier, parameter and entity tag.
_NOTHING: Final = "no-such-thing"
#: Marks the header with the pointers of the members that were not stored, whose name ends so too.
_DROPPED: Final = "x-unsupported-members"
#: Media types that an operation must not have for a request that is refused for it.
_TEXT: Final = "text/plain"
_HTML: Final = frozenset({"text/html", "text/*", "*/*"})
#: The folder of operations without a tag.
_UNTAGGED: Final = "requests"
#: The status of a response to a single finding, if it differs from the usual one.
_STATUSES: Final = {"transition": HTTPStatus.CONFLICT}
_EVENTS: Final = (
    "Events are sent to the listener of the environment; a {noun} is reported, and changed until"
    " every event has been raised. The address is reset at the end of the collection."
)


class Folders:
    """The folders of an API's collection."""

    def __init__(self, api: Api) -> None:
        self.api, self.book = api, api.book
        self.root: str = self.book.matrix.root
        self.one = Requests(api)
        self.sent = Events(self.one)
        self.adding, self.changing = self.one.adding, self.one.changing
        self.noun = self.book.matrix.nouns.get("en") or noun_of(self.root)

    def collection(self, name: str, token: Item | None) -> Item:
        """Return the collection; `token` is the request for an access token, if one is needed."""
        told = [
            self.api.read.part(self.api.document, "info").get("description", ""),
            "Requests run from top to bottom, or one alone: what it needs is made before.",
        ]
        folders = [
            *self._documented(),
            folder("access token", "Every operation asks for one.", self._strangers()),
            folder("errors", "What else a request is refused for.", self._refused()),
            folder("events", _EVENTS.format(noun=self.noun), self._life()),
            *self._processes(),
            folder("end", "No more events are sent.", self._end()),
        ]
        more: Item = {"variable": [{"key": "shapes", "value": json.dumps(self.api.shapes())}]}
        scheme = self.api.scheme
        if token is not None:
            bearer = [{"key": "token", "value": "{{accessToken}}", "type": "string"}]
            more["auth"] = {"type": "bearer", "bearer": bearer}
            more["event"] = [script("prerequest", filled(scripts.AUTHORIZE, request=token))]
        elif scheme is not None:
            more["auth"] = _credentials(scheme)
        items = [each for each in folders if each["item"]]
        return collection(name, "\n\n".join(filter(None, told)), items, **more)

    # The lifecycle of a ticket.

    def _changes(self, ticket: Mapping[str, Any]) -> Iterator[tuple[str, Item]]:
        """Yield changes of a new ticket that raise every event, each with what it changes."""
        rows = self.book.matrix.entities[self.root]
        for name in self.sent.others():
            move = self.one.move("")
            del move[self.one.status]
            for value in [e for e in rows[name].shape["enum"] if e != ticket.get(name)][:1]:
                yield name, {**move, name: value}
        here = self.book.matrix.lifecycle["initial"]
        for trigger in self.book.matrix.lifecycle.get("events", {}).values():
            for status in self.one.way(here, trigger.get("to")):
                yield f"{here} to {status}", self.one.move(status)
                here = status

    # Folders.

    def _documented(self) -> Iterator[Item]:
        """Yield a folder for each tag, of the document's list or not. Each operation is in one."""
        tags = {str(e.get("name")): e for e in self.api.read.listed(self.api.document, "tags")}
        placed = [(self._tag(each.node), each) for each in self.api.operations]
        events = [(self._tag(each.node), each) for each in self.api.events()]
        known = dict.fromkeys([*tags, *(t for t, _ in placed), *(t for t, _ in events if t)])
        if _UNTAGGED not in tags and _UNTAGGED in known:
            known[_UNTAGGED] = known.pop(_UNTAGGED)  # the last folder
        for tag in known:
            mine = [each for name, each in placed if name == tag]
            mine.sort(key=lambda each: (METHODS.index(each.method), len(each.path)))
            items = [made for each in mine for made in self._of(each)]
            for number, (name, event) in enumerate(events):
                if name == tag:
                    items += self.sent.requests(event, is_first=number == 0)
            yield folder(tag, str(tags.get(tag, {}).get("description", "")), items)

    def _tag(self, node: Mapping[str, Any]) -> str:
        """Return the first tag of an operation, or the name of the folder of those without."""
        listed = node.get("tags")
        return str(listed[0]) if isinstance(listed, list) and listed else _UNTAGGED

    def _of(self, operation: Operation) -> Iterator[Item]:
        """Yield the documented requests of an operation: one for each media type of its body."""
        answer = self.api.success(operation)
        described = [str(operation.node.get(name, "")) for name in ("summary", "description")]
        seen: set[str] = set()
        for media_type, summary, body in self.one.bodies(operation):
            if media_type in seen:
                continue
            seen.add(media_type)
            told = [*described, f"In the Body tab: {summary}." if summary else ""]
            tests = self.one.promises(answer)
            tests += self.one.meaning(operation, body) if is_json(media_type) else []
            more: Item = {}
            if self._is_found(operation):
                told.append("No request makes one: write its identifier into the Params tab.")
                tests = self.one.refusal(operation, HTTPStatus.NOT_FOUND)
                more = {"about": _NOTHING}
            yield item(
                operation.name + ("" if len(seen) == 1 else f", {media_type}"),
                "\n\n".join(filter(None, told)),
                self.one.asking(operation, body, media_type=media_type, **more),
                before=self.one.needs(operation, body),
                tests=tests,
                saved=self.one.saved(operation) if len(seen) == 1 else [],
            )
        filters = {
            e["name"]: shown(e["example"]) for e in operation.takes("query") if "example" in e
        }
        if filters and not operation.takes("path"):
            yield item(
                f"{operation.name}, filtered",
                "With the parameters of which the document has an example.",
                self.one.asking(operation, query=filters),
                tests=self.one.promises(answer),
            )

    def _is_found(self, operation: Operation) -> bool:
        """Return whether an operation is about a resource that no operation creates."""
        is_made = self.api.maker(operation) is not None or not operation.takes("path")
        return not is_made and self._is_unknown(operation)

    def _is_unknown(self, operation: Operation) -> bool:
        """Return whether the document has a response for an unknown identifier, which is text."""
        last = [e for e in operation.takes("path") if e["name"] == operation.collections()[-1][0]]
        schema = self.api.read.part(last[0], "schema") if last else {}
        is_text = schema.get("type", "string") == "string" and not {"format", "enum"} & {*schema}
        return is_text and HTTPStatus.NOT_FOUND in self.api.answers(operation)

    def _strangers(self) -> Iterator[Item]:
        """Yield each operation without an access token."""
        for each in self.api.operations:
            is_open = each.node.get("security") == []
            if HTTPStatus.UNAUTHORIZED in self.api.answers(each) and not is_open:
                yield item(
                    f"401 {each.name}",
                    "Without an access token.",
                    self.one.asking(each, self.one.body(each), about=_NOTHING, is_open=True),
                    tests=self.one.refusal(each, HTTPStatus.UNAUTHORIZED),
                )

    def _refused(self) -> Iterator[Item]:
        """Yield requests that cause the errors in the document, for each operation with them."""
        for each in self.api.operations:
            body, known = self.one.body(each), self.api.answers(each)
            ways: dict[int, tuple[str, Item]] = {}
            if each.takes("query") and self.api.tells_of_query(known.get(HTTPStatus.BAD_REQUEST)):
                ways[400] = ("There is no such parameter.", {"query": {_NOTHING: "1"}})
            if each.takes("path") and self._is_unknown(each):
                ways[404] = ("There is no such thing.", {"about": _NOTHING})
            if not _HTML & {*self.api.success(each).media_types}:
                told = "Another media type is asked for."
                ways[406] = (told, {"headers": {"Accept": "text/html"}})
            if any(header["name"].lower() == "if-match" for header in each.takes("header")):
                tag = {"If-Match": f'"{_NOTHING}"'}
                ways[412] = ("It has changed since it had this entity tag.", {"headers": tag})
            if body is not None and _TEXT not in self.api.read.part(
                each.node, "requestBody", "content"
            ):
                ways[415] = ("The body is of another media type.", {"media_type": _TEXT})
            for status in sorted(ways.keys() & known.keys()):
                told, more = ways[status]
                yield item(
                    f"{status} {each.name}",
                    told,
                    self.one.asking(each, body, **more),
                    before=self.one.needs(each),
                    tests=self.one.refusal(each, status, by_query="query" in more),
                )

    def _life(self) -> Iterator[Item]:
        """Yield the requests that raise every event once the listener is registered."""
        hub, adding, changing = self.api.hub(), self.adding, self.changing
        if hub is None or adding is None or changing is None or self.book.lifecycle is None:
            return
        for each in (hub, adding):
            answer, name = self.api.success(each), self.api.variable(each.path)
            member = self.api.identifier(each, answer)
            tests = self.one.promises(answer)
            tests += [] if member is None else filled(scripts.KEEP, variable=name, member=member)
            yield item(each.name, "", self.one.asking(each, self.one.body(each)), tests=tests)
        answer, first = self.api.success(changing), self.one.body(adding)
        for what, body in self._changes(first if isinstance(first, dict) else {}):
            name = f"{changing.name}, {what}"
            tests = [*self.one.promises(answer), *self.one.sent(answer, body)]
            yield item(name, "", self.one.asking(changing, body), tests=tests)

    def _processes(self) -> Iterator[Item]:
        """Yield a folder for each process, at the first operation that it rules."""
        seen: set[str] = set()
        for operation in self.api.operations:
            for each in self.api.ruling(operation):
                if each.name in seen:
                    continue
                seen.add(each.name)
                about, before = "{{" + self.api.variable(operation.owner) + "}}", []
                if (maker := self.api.maker(operation)) is not None:
                    ticket = self._before(each, maker)
                    if ticket is None:
                        continue
                    about = "{{" + f"{each.slug}-{self.noun}" + "}}"
                    before = self.one.made(maker, about.strip("{}"), ticket)
                told = f"Payloads of {each.name}: valid ones, and one for each defect."
                items = self._tried(each.name, operation, about)
                yield folder(each.name, told, items, before=before)

    def _before(self, process: Process, maker: Operation) -> JSONValue:
        """Return the body of the resource that payloads of a process change, or None.

        A process with a root of its own changes what the document creates.
        """
        matrix = self.book.matrix
        roots = {matrix.root_of(each.name) for each in self.api.ruling(maker)}
        found = defective.changed(self.book, process.name)
        return found if found or matrix.root_of(process.name) in roots else self.one.body(maker)

    def _tried(self, process: str, operation: Operation, about: str) -> Iterator[Item]:
        """Yield the requests that test a process."""
        answer, answers = self.api.success(operation), self.api.answers(operation)
        for extent, body in zip(EXTENTS, defective.valid(self.book, process), strict=False):
            tests = [*self.one.promises(answer), *self.one.sent(answer, body)]
            asked = self.one.asking(operation, body, about=about)
            yield item(f"valid: {extent}", "It meets every rule.", asked, tests=tests)
        refused = self.api.refused(operation)
        for sample in defective.broken(self.book, process):
            title = f"{sample.code} {sample.pointer}"
            if not sample.is_error:
                tests = [*self.one.promises(answer), *self._dropped(answer, title, sample.pointer)]
            elif (status := _STATUSES.get(sample.code)) in answers:
                tests = self._refusal(answers[status], sample, title)
            else:
                tests = self._refusal(refused, sample, title)
            asked = self.one.asking(operation, sample.payload, about=about)
            yield item(title, sample.message, asked, tests=tests)

    def _refusal(self, answer: Answer | None, sample: defective.Sample, title: str) -> list[str]:
        """Return the tests of a response to a payload with a defect.

        If the document has no such response, the payload must not be accepted. The finding is
        tested if the response has findings.
        """
        if answer is None or not answer.key.isdecimal():
            return filled(scripts.RANGE, title="refused", first=400, last=499)
        title_of = f"{answer.status}: refused"
        tests = filled(scripts.STATUS, title=title_of, status=answer.status)
        if self.api.has_member(answer, "violations"):
            found = {"code": sample.code, "pointer": sample.pointer}
            tests += filled(scripts.VIOLATION, title=title, **found)
        return tests

    def _dropped(self, answer: Answer, title: str, pointer: str) -> list[str]:
        """Return the test of the header that names the members that were not stored, if any."""
        known = self.api.read.components("headers")
        pattern = f"(^|,){re.escape(pointer)}(,|$)"
        for name in sorted(answer.may_have):
            if known.get(name, {}).get(_DROPPED) or name.lower().endswith(_DROPPED[2:]):
                return filled(scripts.HEADER, title=title, name=name, pattern=pattern)
        return []

    def _end(self) -> Iterator[Item]:
        """Yield the request that resets the address of the listener."""
        hub = self.api.hub()
        for each in self.api.operations:
            if hub is not None and (each.path, each.method) == (hub.path, "delete"):
                tests = self.one.promises(self.api.success(each))
                tests += filled(scripts.FORGET, variable=self.api.variable(each.path))
                yield item(each.name, "", self.one.asking(each), tests=tests)


def _credentials(scheme: Scheme) -> Item:
    """Return how the requests of a collection are authenticated, by variables."""
    values = {
        "bearer": {"token": "{{accessToken}}"},
        "basic": {"username": "{{username}}", "password": "{{password}}"},
        "apikey": {"key": scheme.name, "value": "{{apiKey}}", "in": scheme.place},
    }[scheme.kind]
    listed = [{"key": key, "value": value, "type": "string"} for key, value in values.items()]
    return {"type": scheme.kind, scheme.kind: listed}
