// The page: what is typed is checked by the server, and its findings are shown beside their lines.
// The payload stays in the editor; it is sent to be checked and kept nowhere.

import { laidOut, lineStarts, offsetOf, quoted, sized } from "./lines.js";
import { TEXTS } from "./texts.js";

const PAUSE = 300; // milliseconds without a key before a check
const LONGEST_WORD = 100_000; // bytes; no command line takes a longer one
const MARKED = 2_000; // characters; nothing is marked further to the right

const $ = (id) => document.getElementById(id);
const payload = $("payload");
const wanted = [new URLSearchParams(location.search).get("lang") ?? "", ...navigator.languages];
const language = wanted.map((each) => each.split("-")[0]).find((each) => Object.hasOwn(TEXTS, each)) ?? "en";
const texts = TEXTS[language];
const plural = new Intl.PluralRules(language);

let facts;
let starts = [0];
let findings = []; // each with `from` and `to`, offsets in the text, and the `text` that was there
let current = null;
let waiting = null;
let asking = null;

/** A text of the page, with what stands in braces filled in. */
function say(key, filled = {}) {
  const text = typeof texts[key] === "string" ? texts[key] : texts[key][plural.select(filled.n)];
  return text.replace(/\{(\w+)\}/g, (_, name) => filled[name]);
}

/** A new element: its class, and its text or children. */
function made(tag, name, ...inside) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...inside);
  return element;
}

// --- what is typed ---------------------------------------------------------------------------

/** Put a text into the editor, so that undo takes it out again. */
function put(text) {
  payload.focus();
  payload.select();
  if (text.length > LONGEST_WORD || !document.execCommand("insertText", false, text)) payload.value = text;
  payload.setSelectionRange(0, 0);
  payload.scrollTo(0, 0);
  changed(0);
}

function changed(pause = PAUSE) {
  starts = lineStarts(payload.value);
  $("told").textContent = "";
  draw();
  clearTimeout(waiting);
  waiting = setTimeout(check, pause);
}

async function open(file) {
  if (file.size > facts.largest) return verdict("large", say("tooLarge"), say("tooLargeMore", { most: sized(facts.largest) }));
  try {
    put(await file.text());
    $("told").textContent = say("loaded", { name: file.name });
  } catch {
    $("told").textContent = say("notRead");
  }
}

// --- asking ----------------------------------------------------------------------------------

/** Have the payload checked, and show what comes of it. */
async function check() {
  clearTimeout(waiting);
  asking?.abort();
  const text = payload.value;
  if (text.trim() === "") return show([], "empty", say("empty"), say("emptyMore"));
  if (new Blob([text]).size > facts.largest) {
    return show([], "large", say("tooLarge"), say("tooLargeMore", { most: sized(facts.largest) }));
  }
  const query = new URLSearchParams();
  if ($("process").value) query.set("process", $("process").value);
  if ($("strict").checked) query.set("strict", "true");
  const mine = (asking = new AbortController());
  let answer, body;
  try {
    answer = await fetch(`${facts.check}?${query}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Accept-Language": language },
      body: text,
      credentials: "omit",
      signal: mine.signal,
    });
    body = await answer.json();
  } catch (error) {
    if (error.name !== "AbortError") verdict("away", say("away"), say("awayMore"));
    return;
  }
  if (mine.signal.aborted) return;
  if (answer.ok) report(body);
  else refused(answer, body);
}

function report(body) {
  const all = [...body.violations, ...body.warnings, ...body.undetermined];
  const warned = body.warnings.length + body.undetermined.length;
  const words = [
    body.process === null
      ? say("noProcess")
      : say(body.valid ? "isValidMore" : "of", { process: body.process }),
  ];
  if (warned > 0) words.push(`${say("warnings", { n: warned })}.`);
  const broken = body.violations.length + (body.valid ? 0 : body.left_out);
  const said = body.valid ? say("isValid") : say("violations", { n: broken });
  show(all, body.valid ? "valid" : "invalid", said, words.join(" "), body.left_out);
}

function refused(answer, body) {
  if (body.line !== undefined) {
    const place = { line: body.line, column: body.column, end_line: body.line, end_column: body.column + 1 };
    const where = say("noJSONMore", { line: body.line, column: body.column });
    show([{ severity: "error", code: body.code, message: body.message, ...place }], "nojson", say("noJSON"), where);
  } else if (answer.status === 413) {
    show([], "large", say("tooLarge"), body.message);
  } else if (answer.status === 429 || answer.status === 503) {
    const seconds = Number(answer.headers.get("Retry-After") ?? 1);
    verdict("busy", say("busy"), say("busyMore", { n: seconds }));
    waiting = setTimeout(check, seconds * 1000);
  } else {
    show([], "failed", say(answer.status < 500 ? "notChecked" : "failed"), body.message);
  }
}

// --- showing ---------------------------------------------------------------------------------

function verdict(state, said, more) {
  $("verdict").dataset.state = state;
  // Set only where it is another one: what stays the same is not announced again.
  if ($("said").textContent !== said) $("said").textContent = said;
  if ($("more").textContent !== more) $("more").textContent = more;
}

function show(found, state, said, more, left = 0) {
  verdict(state, said, more);
  const text = payload.value;
  const before = current === null ? null : key(current);
  findings = found
    .map((each) => {
      const from = offsetOf(text, starts, each.line, each.column);
      const to = offsetOf(text, starts, each.end_line, each.end_column);
      return { ...each, from, to, text: text.slice(from, Math.min(to, from + MARKED)) };
    })
    .sort((one, other) => one.from - other.from);
  const held = document.activeElement?.closest("#findings button") != null;
  $("findings").replaceChildren(...findings.map(listed));
  $("rest").hidden = left === 0;
  $("rest").textContent = left === 0 ? "" : say("left", { n: left });
  current = null;
  explain(findings.find((each) => key(each) === before) ?? findings[0] ?? null);
  if (held) current?.button.focus();
  draw();
}

const key = (finding) => `${finding.code} ${finding.pointer}`;

/** The item of the list that tells of a finding; its explanation is shown once it is the current one. */
function listed(finding, index) {
  const where = made("span", "where", say("line", { n: finding.line }));
  const kind = made("span", "kind", finding.pointer === undefined ? say("noJSON") : say(finding.severity));
  const head = made("span", "head", where, kind, made("code", "", finding.code));
  const button = made("button", "goto", head, made("span", "message", finding.message));
  button.type = "button";
  button.setAttribute("aria-describedby", `why-${index}`);
  button.addEventListener("click", () => goTo(finding));
  button.addEventListener("focus", () => {
    // A pointer is followed by its click; what moved beneath it meanwhile would be missed.
    if (button.matches(":focus-visible")) explain(finding);
  });
  const why = explanation(finding);
  why.id = `why-${index}`;
  why.hidden = true;
  const item = made("li", finding.severity, button, why);
  Object.assign(finding, { item, button, why });
  return item;
}

/** What the matrix says of a finding's cell. */
function explanation(finding) {
  const why = made("div", "why");
  const { cell } = finding;
  if (cell === undefined) return why;
  const code = made("span", "requirement", finding.requirement);
  why.append(made("p", "meaning", code, made("span", "", cell.meaning)));
  why.append(made("p", "row", made("strong", "", `${finding.entity}.${finding.field}`), `: ${cell.type}`));
  if (cell.description) why.append(made("p", "", cell.description));
  for (const { text, reason } of [...cell.conditions, ...cell.decisions]) {
    why.append(made("p", "point", text, made("span", "reason", say("why", { reason }))));
  }
  const link = made("a", "", say("inMatrix"));
  link.href = `${facts.matrix}#${cell.anchor}`;
  why.append(made("p", "", link));
  return why;
}

/** Make a finding the current one, whose explanation is shown. */
function explain(finding) {
  if (current !== null) {
    current.why.hidden = true;
    current.item.classList.remove("current");
  }
  current = finding;
  if (current !== null) {
    current.why.hidden = current.why.childElementCount === 0;
    current.item.classList.add("current");
  }
  draw();
}

/** Put the caret where a finding is, and mark the place. */
function goTo(finding) {
  explain(finding);
  payload.focus({ preventScroll: true });
  payload.setSelectionRange(finding.from, finding.to);
  const height = lineHeight();
  const top = (finding.line - 1) * height;
  if (top < payload.scrollTop || top > payload.scrollTop + payload.clientHeight - 2 * height) {
    payload.scrollTop = top - payload.clientHeight / 3;
  }
  const mark = $("layer").querySelector(".current");
  if (mark !== null) {
    const left = mark.offsetLeft;
    const isSeen = left >= payload.scrollLeft && left < payload.scrollLeft + payload.clientWidth - 40;
    if (!isSeen) payload.scrollLeft = left - payload.clientWidth / 3;
  }
  const area = $("paper").getBoundingClientRect();
  if (area.top < 0 || area.top > innerHeight / 2) $("paper").scrollIntoView({ block: "start" });
  draw();
}

const lineHeight = () => parseFloat(getComputedStyle(payload).lineHeight);

/** Draw line numbers and marks, of what can be seen alone. */
function draw() {
  const height = lineHeight();
  const first = Math.max(0, Math.floor(payload.scrollTop / height) - 1);
  const last = Math.min(starts.length, first + Math.ceil(payload.clientHeight / height) + 3);
  const shown = findings.filter((each) => each.line > first && each.line <= last && isThere(each));
  const worst = new Map();
  for (const each of shown) if (worst.get(each.line) !== "error") worst.set(each.line, each.severity);
  const numbers = [];
  for (let line = first + 1; line <= last; line++) {
    const number = made("div", worst.get(line) ?? "", String(line));
    if (worst.has(line)) number.classList.add("found");
    if (worst.has(line) && current?.line === line) number.classList.add("current");
    number.style.top = `${(line - 1) * height - payload.scrollTop}px`;
    number.dataset.line = line;
    numbers.push(number);
  }
  $("gutter").replaceChildren(...numbers);
  $("paper").style.setProperty("--digits", String(Math.max(2, String(starts.length).length)));
  const layer = $("layer");
  layer.replaceChildren(...shown.flatMap((each) => marked(each, height)));
  layer.style.transform = `translate(${-payload.scrollLeft}px, ${-payload.scrollTop}px)`;
}

/** Whether what a finding is about still stands where it was found. */
function isThere(finding) {
  const { from, text, line } = finding;
  return starts[line - 1] <= from && payload.value.startsWith(text, from);
}

/** The mark of a finding on its first line, beneath the text. */
function marked(finding, height) {
  const start = starts[finding.line - 1];
  if (finding.from - start > MARKED) return [];
  const mark = made("mark", finding.severity, finding.text.split("\n", 1)[0] || " ");
  if (finding === current) mark.classList.add("current");
  const line = made("div", "", payload.value.slice(start, finding.from), mark);
  line.style.top = `${(finding.line - 1) * height}px`;
  return [line];
}

// --- what else can be done -------------------------------------------------------------------

/** The command that would send the payload to the sandbox, and what to say of it. */
function command() {
  const text = payload.value;
  const chosen = facts.processes.find((each) => each.slug === $("process").value);
  const isChange = chosen?.operation === "change";
  const isLong = new Blob([text]).size > LONGEST_WORD;
  const address = location.origin + facts.tickets;
  const lines = [
    `curl -u ${facts.operator}:"$SECRET" -H 'Content-Type: application/json'`,
    isChange ? `-X PATCH ${quoted(address)}/"$ID"` : quoted(address),
    isLong ? "--data-binary @payload.json" : `--data-raw ${quoted(text)}`,
  ];
  const told = isLong ? "copiedFile" : isChange ? "copiedChange" : "copied";
  return [`${lines.join(" \\\n  ")}\n`, say(told, { operator: facts.operator })];
}

async function copy() {
  const [line, told] = command();
  try {
    await navigator.clipboard.writeText(line);
  } catch {
    // Over plain HTTP, elsewhere than on this machine, there is no clipboard to write to.
    const aside = made("textarea", "aside", line);
    document.body.append(aside);
    aside.select();
    const isDone = document.execCommand("copy");
    aside.remove();
    $("copy").focus();
    if (!isDone) return void ($("told").textContent = say("notCopied"));
  }
  $("told").textContent = told;
}

function format() {
  try {
    put(laidOut(payload.value));
    $("told").textContent = say("formatted");
  } catch {
    $("told").textContent = say("notFormatted");
  }
}

// --- the beginning ---------------------------------------------------------------------------

function fill() {
  document.documentElement.lang = language;
  document.title = say("brand");
  for (const each of document.querySelectorAll("[data-text]")) each.textContent = say(each.dataset.text);
  for (const each of document.querySelectorAll("[data-label]")) each.setAttribute("aria-label", say(each.dataset.label));
  payload.placeholder = say(payload.dataset.placeholder);
  verdict("empty", say("empty"), say("emptyMore"));
}

function offer() {
  for (const [id, name] of [["to-matrix", "matrix"], ["to-try", "try"], ["to-document", "document"]]) $(id).href = facts[name];
  for (const { name, slug, examples } of facts.processes) {
    const option = made("option", "", name);
    option.value = slug;
    $("process").append(option);
    const buttons = Object.keys(examples).map((each) => {
      const button = made("button", "", say(each));
      button.type = "button";
      button.setAttribute("aria-label", `${name}, ${say(each)}`);
      button.addEventListener("click", () => load(slug, each));
      return button;
    });
    if (buttons.length > 0) $("example-list").append(made("div", "", made("span", "", name), ...buttons));
  }
}

function load(slug, which) {
  const process = facts.processes.find((each) => each.slug === slug);
  // A new payload names its process itself.
  $("process").value = process.operation === "add" ? "" : slug;
  $("examples").open = false;
  put(process.examples[which]);
}

function listen() {
  payload.addEventListener("input", () => changed());
  payload.addEventListener("scroll", draw);
  new ResizeObserver(draw).observe(payload);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      check();
    } else if (event.key === "Escape" && $("examples").open) {
      $("examples").open = false;
      $("examples").querySelector("summary").focus();
    }
  });
  document.addEventListener("click", (event) => {
    if (!$("examples").contains(event.target)) $("examples").open = false;
  });
  $("gutter").addEventListener("click", (event) => {
    const line = Number(event.target.dataset.line);
    const found = findings.find((each) => each.line === line);
    if (found !== undefined) goTo(found);
  });
  for (const id of ["process", "strict"]) $(id).addEventListener("change", () => check());
  $("open").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    if ($("file").files.length > 0) open($("file").files[0]);
    $("file").value = "";
  });
  $("format").addEventListener("click", format);
  $("copy").addEventListener("click", copy);
  const paper = $("paper");
  document.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    paper.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) paper.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    paper.classList.remove("over");
    if (event.dataTransfer.files.length === 0) return;
    event.preventDefault();
    open(event.dataTransfer.files[0]);
  });
}

fill();
try {
  facts = await (await fetch("checker/facts.json")).json();
  offer();
  listen();
  changed(0); // it may have been typed into already
} catch {
  verdict("away", say("away"), say("awayMore"));
}
