// Loads a Postman collection with Postman's own library, and prints the places that it drops or
// reads otherwise. It keeps no address as text, which is compared with what it makes of the parts,
// and no word on how an answer is shown, which is Postman's own. Nor may a script be anything but
// JavaScript.
//
//     node collection.mjs collection.json

import { readFileSync } from "node:fs";
import { Script } from "node:vm";

import postman from "postman-collection";

const given = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const kept = new postman.Collection(given).toJSON();

function compare(ours, theirs, place) {
  if (place.endsWith("/_postman_previewlanguage")) {
    return;
  }
  if (place.endsWith("/url") && ours !== null) {
    const { raw, ...parts } = ours;
    const { variable, ...shown } = parts;
    compare(raw, new postman.Url(shown).toString(), `${place}/raw`);
    ours = parts;
  }
  if (ours === null || typeof ours !== "object") {
    const told = theirs && typeof theirs === "object" && "content" in theirs ? theirs.content : theirs;
    if (told !== ours) {
      console.log(place, JSON.stringify(ours), JSON.stringify(theirs));
    }
    return;
  }
  for (const name of Object.keys(ours)) {
    compare(ours[name], theirs?.[name], `${place}/${name}`);
  }
}

function compile(part, place) {
  for (const { script } of part.event ?? []) {
    try {
      new Script(script.exec.join("\n"));
    } catch (error) {
      console.log(place, error.message);
    }
  }
  for (const [index, each] of (part.item ?? []).entries()) {
    compile(each, `${place}/item/${index}`);
  }
}

compare(given, kept, "");
compile(given, "");
