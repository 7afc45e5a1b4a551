// Says of each payload on standard input, one a line, whether it meets a JSON Schema: 1 or 0.
//
//     node verdicts.mjs complaint-add.json < payloads.jsonl
//
// Ajv runs in its strict mode, so that a keyword it does not know, but for our annotation, is an
// error. Formats are left alone: the schemas state what they ask for as patterns.
import { readFileSync } from "node:fs";
import Ajv2020 from "ajv/dist/2020.js";

const ajv = new Ajv2020({
  strict: true,
  strictRequired: false, // a relation asks for members that are declared around it
  strictTypes: false, // "type": ["string", "null"] is how removal is written
  validateFormats: false,
  keywords: ["x-ttrules"],
});
const validate = ajv.compile(JSON.parse(readFileSync(process.argv[2], "utf8")));
const lines = readFileSync(0, "utf8").split("\n").filter(Boolean);
process.stdout.write(lines.map((line) => (validate(JSON.parse(line)) ? "1" : "0")).join("\n"));
