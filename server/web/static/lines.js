// What is done to the text alone: places, layout, quoting. Nothing here knows the page.

// A text, or a bracket, comma or colon, or a number or literal name (RFC 8259, section 2).
const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^[\]{},:"\s]+/g;

/** Where each line of a text begins, in UTF-16 units. */
export function lineStarts(text) {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** The offset of a line and a column, both from 1; columns count characters, not UTF-16 units. */
export function offsetOf(text, starts, line, column) {
  let at = starts[Math.min(line, starts.length) - 1];
  for (let left = column - 1; left > 0 && at < text.length; left--) {
    at += text.codePointAt(at) > 0xffff ? 2 : 1;
  }
  return Math.min(at, text.length);
}

/** A JSON text laid out anew, its values as they were written. Throws what JSON.parse does. */
export function laidOut(text) {
  JSON.parse(text);
  let made = "";
  let depth = 0;
  const tokens = text.match(TOKEN);
  const newLine = () => "\n" + "  ".repeat(depth);
  tokens.forEach((token, index) => {
    const before = tokens[index - 1];
    if (token === "}" || token === "]") {
      depth -= 1;
      if (before !== "{" && before !== "[") made += newLine();
    } else if (before === "{" || before === "[" || before === ",") {
      made += newLine();
    }
    made += token === ":" ? ": " : token;
    if (token === "{" || token === "[") depth += 1;
  });
  return made + "\n";
}

/** A text as one word of a POSIX shell. */
export function quoted(text) {
  return "'" + text.replaceAll("'", "'\\''") + "'";
}

/** How a number of bytes is told. */
export function sized(bytes) {
  const unit = [[1 << 30, "GB"], [1 << 20, "MB"], [1 << 10, "KB"]].find(([size]) => bytes >= size);
  return unit === undefined ? `${bytes} B` : `${Math.round((bytes / unit[0]) * 10) / 10} ${unit[1]}`;
}
