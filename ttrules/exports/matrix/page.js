// The page of the matrix: filters, moving by keyboard, and what there is to know of a cell. All that
// is shown stands in the page already; nothing here makes markup of a text.
"use strict";
(() => {
  const root = document.documentElement;
  const [table, region, form, panel, body] = ["matrix", "region", "filters", "details", "details-body"].map(
    (id) => document.getElementById(id),
  );
  const [count, chosen, said, none] = ["count", "chosen", "said", "none"].map(
    (id) => document.getElementById(id),
  );
  const heads = [...table.tHead.rows[0].querySelectorAll("[data-process]")];
  const rows = [...table.querySelectorAll("tr[data-field]")].map((row) => {
    const entity = row.parentElement.dataset.entity;
    const name = `${entity}.${row.dataset.field}`;
    const told = [...row.querySelectorAll("th, .about")].map((each) => each.textContent);
    const note = document.getElementById(`about:${name}`);
    const links = [...row.querySelectorAll("td > a")];
    return { row, entity, name, note, links, text: [name, ...told].join(" ").toLowerCase() };
  });
  const rowOf = new Map(rows.flatMap((each) => each.links.map((link) => [link, each])));
  let here = null; // the one cell that the Tab key reaches

  // Filters: the form, the address and the rows say the same.

  const filters = () =>
    new URLSearchParams([...new FormData(form)].filter(([, value]) => value.trim()));

  function fill(params) {
    for (const field of form.elements) {
      if (field.type === "checkbox") {
        field.checked = params.getAll(field.name).includes(field.value);
      } else if (field.name) {
        field.value = params.get(field.name) ?? "";
      }
    }
  }

  function filter() {
    const asked = filters();
    const words = (asked.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    const [entity, process, codes] = [asked.get("entity"), asked.get("process"), asked.getAll("code")];
    const isShown = heads.map((head) => !process || head.dataset.process === process);
    heads.forEach((head, column) => { head.hidden = !isShown[column]; });
    let shown = 0;
    for (const each of rows) {
      each.links.forEach((link, column) => { link.parentElement.hidden = !isShown[column]; });
      const fits =
        (!entity || each.entity === entity) &&
        words.every((word) => each.text.includes(word)) &&
        (!codes.length ||
          each.links.some((link, column) => isShown[column] && codes.includes(link.textContent)));
      each.row.hidden = !fits;
      each.note.hidden = !fits;
      shown += fits;
    }
    for (const part of table.tBodies) {
      part.hidden = [...part.rows].every((row) => row.hidden || row.matches(".entity"));
    }
    none.hidden = shown > 0;
    count.textContent = `${shown} of ${rows.length} fields`;
    const narrowing = [...asked.keys()].filter((name) => name !== "q").length;
    chosen.textContent = narrowing ? ` (${narrowing})` : "";
    if (!here || !isVisible(here)) {
      reach(rows.flatMap((each) => each.links).find(isVisible) ?? null);
    }
  }

  function note(hash = location.hash) {
    const query = filters().toString();
    history.replaceState(null, "", location.pathname + (query && `?${query}`) + hash);
  }

  // Cells: one of them is in the order of the Tab key, arrows move from there.

  const isVisible = (link) => !link.parentElement.hidden && !rowOf.get(link).row.hidden;

  function reach(link) {
    if (here) here.tabIndex = -1;
    here = link;
    if (here) here.tabIndex = 0;
  }

  function target(key, link, isFar) {
    const across = rowOf.get(link).links.filter(isVisible);
    const column = rowOf.get(link).links.indexOf(link);
    const down = rows.filter((each) => !each.row.hidden).map((each) => each.links[column]);
    const [x, y] = [across.indexOf(link), down.indexOf(link)];
    const page = 10;
    switch (key) {
      case "ArrowLeft": return across[x - 1];
      case "ArrowRight": return across[x + 1];
      case "ArrowUp": return down[y - 1];
      case "ArrowDown": return down[y + 1];
      case "PageUp": return down[Math.max(y - page, 0)];
      case "PageDown": return down[Math.min(y + page, down.length - 1)];
      case "Home": return isFar ? rowOf.get(down[0]).links.find(isVisible) : across[0];
      case "End": return isFar ? rowOf.get(down.at(-1)).links.findLast(isVisible) : across.at(-1);
      default: return undefined;
    }
  }

  // Details: the note of the field, with the cell's own code in front.

  function open(link) {
    const each = rowOf.get(link);
    const head = heads[each.links.indexOf(link)];
    document.getElementById("details-name").replaceChildren(
      ...[...each.note.firstElementChild.childNodes].map((part) => part.cloneNode(true)),
    );
    body.replaceChildren(...[...each.note.children].slice(1).map((part) => part.cloneNode(true)));
    for (const item of body.querySelectorAll(".codes li")) {
      item.classList.toggle("current", item.dataset.process === head.dataset.process);
    }
    for (const part of body.querySelectorAll("[data-in]")) {
      part.hidden = !part.dataset.in.split(" ").includes(head.dataset.process);
    }
    for (const part of body.querySelectorAll("dl > div")) {
      part.hidden = [...part.querySelectorAll("dd")].every((item) => item.hidden);
    }
    mark(link);
    panel.hidden = false;
    makeRoom();
    panel.scrollTop = 0;
    reach(link);
    said.textContent = `${each.name}, ${head.textContent}: ${link.title} Details are open.`;
    note(link.hash);
  }

  /** Keep the cell in focus clear of the headings, and of details that lie over the table. */
  function makeRoom() {
    const over = panel.hidden || getComputedStyle(panel).position !== "fixed" ? 0 : panel.offsetHeight;
    const [top, left] = [table.tHead.offsetHeight, table.tHead.rows[0].cells[0].offsetWidth];
    region.style.scrollPadding = `${top + 44}px 14px ${over + 44}px ${left + 14}px`;
  }

  function close() {
    panel.hidden = true;
    mark(null);
    makeRoom();
    said.textContent = "";
    note("");
    here?.focus();
  }

  function mark(link) {
    for (const each of table.querySelectorAll(".current")) each.classList.remove("current");
    if (link) {
      link.classList.add("current");
      heads[rowOf.get(link).links.indexOf(link)].classList.add("current");
    }
  }

  function arrive() {
    let id = location.hash.slice(1);
    try {
      id = decodeURIComponent(id);
    } catch {
      // What is no text names no cell.
    }
    const links = rows.flatMap((each) => each.links);
    const link =
      links.find((each) => each.id === id) ??
      rows.find((each) => each.name === id)?.links.find((each) => !each.parentElement.hidden);
    if (!link) return;
    if (!isVisible(link)) {
      fill(new URLSearchParams());
      filter();
    }
    open(link);
    link.focus();
  }

  // What people do.

  table.addEventListener("keydown", (event) => {
    const link = event.target.closest("td > a");
    if (!link || event.altKey || event.metaKey) return;
    const next = target(event.key, link, event.ctrlKey);
    if (next === undefined && !/^(Arrow|Page|Home|End)/.test(event.key)) return;
    event.preventDefault();
    if (!next) return;
    reach(next);
    if (!panel.hidden) open(next);
    next.focus();
  });
  table.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const link = event.target.closest("td")?.querySelector("a");
    if (!link) return;
    event.preventDefault();
    open(link);
    link.focus();
  });
  table.addEventListener("focusin", (event) => {
    if (rowOf.has(event.target)) reach(event.target);
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("input, select");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      form.elements.q.select();
      form.elements.q.focus();
    } else if (event.key === "Escape" && !panel.hidden && !isTyping) {
      close();
    }
  });
  document.getElementById("close").addEventListener("click", close);
  for (const kind of ["input", "change"]) {
    form.addEventListener(kind, () => { filter(); note(); });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { filter(); note(); }));
  window.addEventListener("resize", makeRoom);
  window.addEventListener("hashchange", arrive);
  window.addEventListener("popstate", () => { fill(new URLSearchParams(location.search)); filter(); });

  // Light and dark: as the system has it, until somebody chooses.

  const theme = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
  const kept = (value) => {
    try {
      if (value) localStorage.setItem("theme", value);
      return localStorage.getItem("theme");
    } catch {
      return value; // a page from a file, or one that may keep nothing
    }
  };
  const paint = (value) => {
    if (value === "dark" || value === "light") root.dataset.theme = value;
    const other = isDark() ? "Light" : "Dark";
    theme.textContent = other;
    theme.ariaLabel = `${other} colours`;
  };
  theme.addEventListener("click", () => paint(kept(isDark() ? "light" : "dark")));
  dark.addEventListener("change", () => paint(null));

  root.classList.add("js");
  form.hidden = theme.hidden = false;
  if (matchMedia("(max-width: 40rem)").matches) document.getElementById("more").open = false;
  for (const each of rows) {
    for (const link of each.links) {
      link.href = `#${encodeURIComponent(link.id).replaceAll("%2F", "/").replaceAll("%40", "@")}`;
      link.tabIndex = -1;
    }
  }
  paint(kept());
  fill(new URLSearchParams(location.search));
  filter();
  makeRoom();
  arrive();
})();
