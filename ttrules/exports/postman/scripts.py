"""The scripts of a Postman collection: a table of JavaScript texts, and how values are inserted.

In a script, @@ and a name is a placeholder. `filled` inserts the value as JSON, which is valid
JavaScript, so no value can end a string. The first line of each script says what it does.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from ttrules.exports.postman.items import text

if TYPE_CHECKING:
    from collections.abc import Iterable

_SLOT: Final = re.compile(r"@@(\w+)")
#: The entry of the headers of a request that a script sends, by the kind of its credentials.
_CREDENTIALS: Final = {
    "": "",
    "bearer": 'Authorization: `Bearer ${pm.environment.get("accessToken")}`, ',
    "basic": (
        'Authorization: `Basic ${btoa(pm.variables.replaceIn("{{username}}:{{password}}"))}`, '
    ),
    "apikey": '@@key: pm.environment.get("apiKey"), ',
}

#: Scripts before a request, which create what it needs.
AUTHORIZE: Final = """
// An access token for every request (RFC 6749, section 4.4), kept until it is nearly too old.
const isOpen = pm.request.auth && pm.request.auth.type === "noauth";
const isFresh = Date.now() < Number(pm.environment.get("accessTokenExpires") || 0);
if (!isOpen && !(pm.environment.get("accessToken") && isFresh)) {
    const request = @@request;
    request.url = pm.environment.get("tokenUrl");
    for (const each of request.auth.basic) {
        each.value = pm.variables.replaceIn(each.value);
    }
    pm.sendRequest(request, (error, response) => {
        pm.test("an access token is granted", () => {
            pm.expect(error || response.text()).to.include("access_token");
        });
        const answer = response.json();
        pm.environment.set("accessToken", answer.access_token);
        pm.environment.set("accessTokenExpires", Date.now() + 1000 * (answer.expires_in - 60));
    });
}
"""
MAKE: Final = """
// What this request is about is made first, unless an earlier one has made it.
const ask = (method, path, type, body, then) => pm.sendRequest({
    url: pm.environment.get("baseUrl") + path,
    method: method,
    header: {@@@credentials"Content-Type": type},
    body: {mode: "raw", raw: pm.variables.replaceIn(body)},
}, (error, response) => then(error, response));
const move = (steps) => {  // what cannot be moved is there already
    if (steps.length) {
        const path = @@path + "/" + pm.collectionVariables.get(@@variable);
        ask("PATCH", path, @@changed, steps[0], () => move(steps.slice(1)));
    }
};
if (pm.collectionVariables.get(@@variable)) {
    move(@@steps);
} else {
    ask("POST", @@path, @@type, @@body, (error, response) => {
        pm.test("made before", () => pm.expect(error || response.code).to.be.within(200, 299));
        pm.collectionVariables.set(@@variable, response.json()[@@member]);
        move(@@steps);
    });
}
"""
SIGN: Final = """
// The event gets its identifier and its time, and is signed as Standard Webhooks 1.0.0 has it.
const crypto = require("crypto-js");
const seconds = Math.floor(Date.now() / 1000);
pm.variables.set("eventId", pm.variables.replaceIn("{{$guid}}"));
pm.variables.set("eventTime", new Date(1000 * seconds).toISOString());
pm.variables.set("eventSeconds", String(seconds));
const body = pm.variables.replaceIn(pm.request.body.raw);
const signed = `${pm.variables.get("eventId")}.${seconds}.${body}`;
const secret = pm.environment.get("signingSecret").replace(/^whsec_/, "");
const key = crypto.enc.Base64.parse(@@isRight ? secret : "bm90IHRoaXMgc2VjcmV0");
const signature = crypto.HmacSHA256(signed, key).toString(crypto.enc.Base64);
pm.variables.set("eventSignature", `v1,${signature}`);
"""
STAMP: Final = """
// The event gets its identifier and its time.
pm.variables.set("eventId", pm.variables.replaceIn("{{$guid}}"));
pm.variables.set("eventTime", new Date().toISOString());
"""

#: Scripts after a response, which test it or store values of it.
STATUS: Final = """
pm.test(@@title, () => pm.response.to.have.status(@@status));
"""
RANGE: Final = """
pm.test(@@title, () => pm.expect(pm.response.code).to.be.within(@@first, @@last));
"""
HEADER: Final = """
pm.test(@@title, () => {
    pm.expect(String(pm.response.headers.get(@@name))).to.match(new RegExp(@@pattern));
});
"""
SHAPE: Final = """
pm.test(@@title, () => {
    const shapes = JSON.parse(pm.collectionVariables.get("shapes"));
    pm.expect(pm.response.json()).to.have.jsonSchema({...shapes, allOf: [@@shape]});
});
"""
NOTHING: Final = """
pm.test("no body", () => pm.expect(pm.response.text()).to.eql(""));
"""
MEMBER: Final = """
pm.test(@@title, () => pm.expect(pm.response.json()[@@name]).to.eql(@@value));
"""
IDENTIFIER: Final = """
pm.test("it is the one that was asked for", () => {
    pm.expect(pm.response.json()[@@member]).to.eql(pm.collectionVariables.get(@@variable));
});
"""
MEMBERS: Final = """
pm.test(@@title, () => pm.expect(pm.response.json()).to.include.all.keys(@@names));
"""
COUNT: Final = """
pm.test("as many as are told", () => {
    pm.expect(pm.response.json().length).to.eql(Number(pm.response.headers.get(@@name)));
});
"""
SENT: Final = """
pm.test("what was sent is answered", () => {
    const holds = (answer, sent) => {
        if (sent === null || typeof sent !== "object") {
            return answer === sent;
        }
        if (answer === null || typeof answer !== "object") {
            return false;
        }
        if (Array.isArray(sent)) {
            return sent.every((item) => answer.some((each) => holds(each, item)));
        }
        return Object.keys(sent).every((name) => holds(answer[name], sent[name]));
    };
    const answer = pm.response.json();
    const sent = JSON.parse(pm.variables.replaceIn(pm.request.body.raw));
    for (const name of Object.keys(sent)) {
        pm.expect(holds(answer[name], sent[name]), name).to.be.true;
    }
});
"""
VIOLATION: Final = """
pm.test(@@title, () => {
    const told = pm.response.json().violations.map(({code, pointer}) => ({code, pointer}));
    pm.expect(told).to.eql([{code: @@code, pointer: @@pointer}]);
});
"""
KEEP: Final = """
pm.collectionVariables.set(@@variable, pm.response.json()[@@member]);
"""
FORGET: Final = """
pm.collectionVariables.unset(@@variable);
"""
GRANTED: Final = """
pm.test("an access token", () => {
    pm.expect(pm.response.json().access_token).to.be.a("string").and.not.empty;
    pm.expect(pm.response.json().token_type).to.eql("Bearer");
    pm.expect(pm.response.json().expires_in).to.be.above(0);
});
pm.test("it is kept by nobody", () => {
    pm.expect(pm.response.headers.get("Cache-Control")).to.eql("no-store");
});
const granted = pm.response.json();
pm.environment.set("accessToken", granted.access_token);
pm.environment.set("accessTokenExpires", Date.now() + 1000 * (granted.expires_in - 60));
"""


def filled(script: str, **values: object) -> list[str]:
    """Return the lines of a script with its values. Raises KeyError for a missing value."""
    written = _SLOT.sub(lambda slot: json.dumps(values[slot[1]]), script)
    return written.strip("\n").split("\n")


def make(
    path: str,
    variable: str,
    body: object,
    steps: Iterable[object],
    *,
    member: str = "id",
    types: tuple[str, str],
    credentials: tuple[str, str],
) -> list[str]:
    """Return the script that creates a resource at a path unless the variable has one already.

    `steps` are the changes that are then sent. `member` is the member of a response with the
    identifier; `types` are the media types of the request and of the changes; `credentials` are
    their kind and the name of the header of an API key.
    """
    kind, key = credentials
    script = MAKE.replace("@@@credentials", _CREDENTIALS[kind])
    moves = [text(each, indent=None) for each in steps]
    return filled(
        script,
        path=path,
        variable=variable,
        body=text(body, indent=None),
        steps=moves,
        member=member,
        type=types[0],
        changed=types[1],
        key=key,
    )
