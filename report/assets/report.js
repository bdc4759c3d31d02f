// The script of a Tyto report: unpacks the findings that are embedded in the page and shows them
// filtered, sorted and in pages. Text from a scan only ever becomes text (textContent); the
// page's policy forbids turning strings into HTML.
"use strict";
(async function () {
  const pageSize = 100, printSize = 1000;
  const levelNames = ["none", "notice", "warning", "alert"];
  const byId = (id) => document.getElementById(id);
  const list = byId("list");
  if (!list || typeof DecompressionStream === "undefined") return; // the static page stays

  let data;
  try {
    data = await unpack(byId("data").textContent);
  } catch (err) {
    byId("status").textContent += " The full list could not be unpacked: " + err;
    return;
  }
  const { hosts, rules, findings } = data;
  const manyHosts = hosts.length > 1;
  findings.forEach((f, i) => { f.order = i; });

  const state = { words: [], levels: new Set([0, 1, 2, 3]), host: "", rule: "", sort: "level", reverse: false, page: 0 };
  let shown = [];

  async function unpack(base64) {
    const packed = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  }

  // make returns a new element with properties and children; strings become text.
  function make(tag, props, ...children) {
    const e = document.createElement(tag);
    for (const [name, value] of Object.entries(props || {})) e.setAttribute(name, value);
    e.append(...children.filter((c) => c !== null && c !== ""));
    return e;
  }

  // --- what is shown, and in which order ---

  const ruleNames = (f) => f.matches.map((m) => rules[m.rule].name);

  // haystack is the text that a search looks through; it is made when it is first needed.
  function haystack(f) {
    if (f.haystack === undefined) {
      const parts = [f.path, hosts[f.host], ...f.facts.map((p) => p[1])];
      for (const m of f.matches) parts.push(rules[m.rule].name, rules[m.rule].description);
      f.haystack = parts.join("\n").toLowerCase();
    }
    return f.haystack;
  }

  function wanted(f) {
    return state.levels.has(f.level) &&
      (state.host === "" || f.host === +state.host) &&
      (state.rule === "" || f.matches.some((m) => rules[m.rule].name === state.rule)) &&
      state.words.every((w) => haystack(f).includes(w));
  }

  const text = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const orders = {
    level: (a, b) => b.level - a.level || b.score - a.score,
    score: (a, b) => b.score - a.score,
    host: (a, b) => text(hosts[a.host], hosts[b.host]),
    path: (a, b) => text(a.path, b.path),
    rule: (a, b) => text(ruleNames(a)[0] || "", ruleNames(b)[0] || ""),
    modified: (a, b) => text(b.modified, a.modified),
  };
  const descends = new Set(["level", "score", "modified"]); // without Reverse

  function select() {
    const order = orders[state.sort], sign = state.reverse ? -1 : 1;
    shown = findings.filter(wanted).sort((a, b) => sign * order(a, b) || a.order - b.order);
    state.page = 0;
    render(pageSize);
  }

  // --- the table ---

  function render(size) {
    const pages = Math.max(1, Math.ceil(shown.length / size));
    state.page = Math.min(state.page, pages - 1);
    const first = state.page * size, part = shown.slice(first, first + size);
    list.querySelectorAll("tbody").forEach((b) => b.remove());
    list.append(...part.map(row));
    byId("status").textContent = shown.length === 0
      ? "No finding passes the filter; there are " + number(findings.length) + "."
      : number(first + 1) + " to " + number(first + part.length) + " of " + number(shown.length) +
        (shown.length < findings.length ? " that pass the filter; " + number(findings.length) + " in all" : "") + ".";
    byId("pages").hidden = pages === 1;
    byId("page").textContent = "Page " + number(state.page + 1) + " of " + number(pages);
    byId("previous").disabled = state.page === 0;
    byId("next").disabled = state.page === pages - 1;
    for (const th of list.querySelectorAll("th[data-sort]")) {
      if (th.dataset.sort !== state.sort) th.removeAttribute("aria-sort");
      else th.setAttribute("aria-sort", descends.has(state.sort) !== state.reverse ? "descending" : "ascending");
    }
  }

  const number = (n) => n.toLocaleString("en");
  const bdi = (s) => make("bdi", {}, s);
  const cell = (kind, ...children) => make("td", { role: "cell", class: kind }, ...children);

  function row(f) {
    const level = levelNames[f.level];
    const names = ruleNames(f).slice(0, 3).flatMap((n, i) => (i ? [", ", bdi(n)] : [bdi(n)]));
    if (f.matches.length > 3) names.push(", …");
    const details = make("details", {}, make("summary", {}, "Evidence and details"));
    details.addEventListener("toggle", () => fill(details, f));
    return make("tbody", { role: "rowgroup", class: level },
      make("tr", { role: "row" },
        cell("level", make("span", { class: "badge" }, level)),
        cell("score", String(Math.round(f.score * 10) / 10)),
        manyHosts ? cell("host", bdi(hosts[f.host])) : null,
        cell("path", bdi(f.path)),
        cell("rules", ...names),
        cell("modified", f.modified)),
      make("tr", { role: "row", class: "more" },
        make("td", { role: "cell", colspan: manyHosts ? 6 : 5 }, details)));
  }

  // fill writes the details of f when they are opened for the first time.
  function fill(details, f) {
    if (!details.open || details.childElementCount > 1) return;
    details.append(facts(f.facts), ...f.matches.map(match));
    if (f.more) details.append(note(number(f.more) + " more matches are in the JSON Lines report."));
  }

  function facts(pairs) {
    return make("dl", { class: "facts" }, ...pairs.map(([name, value]) =>
      make("div", {}, make("dt", {}, name), make("dd", {}, bdi(value)))));
  }

  const note = (s) => make("p", { class: "note" }, s);

  function match(m) {
    const r = rules[m.rule];
    return make("section", { class: "match" },
      make("h3", {}, make("span", { class: "kind" }, r.kind), " ", bdi(r.name), " ",
        make("span", { class: "points" }, "score " + r.score)),
      r.description ? make("p", {}, bdi(r.description)) : null,
      m.evidence ? make("ul", { class: "evidence" }, ...m.evidence.map(piece)) : null,
      m.cut ? note(number(m.cut) + " more pieces of evidence were left out.") : null,
      facts(r.facts || []));
  }

  function piece(e) {
    const li = make("li", {}, make("code", {}, e.term), e.expected ? " " : "", e.expected ? bdi(e.expected) : "");
    if (e.offset < 0) {
      li.append(": ", make("code", { class: "value" }, e.text || ""));
      return li;
    }
    const kept = (e.hex || "").length / 2;
    li.append(" at offset " + e.offset + " (0x" + e.offset.toString(16) + "), " + number(e.length) + (e.length === 1 ? " byte" : " bytes") +
      (kept < e.length ? ", the first " + kept + " here" : ""));
    if (kept) li.append(make("pre", { tabindex: "0", "aria-label": "bytes" }, dump(e.hex, e.offset)));
    return li;
  }

  // dump writes bytes as lines of an address, hexadecimal, and text.
  function dump(hex, offset) {
    const width = window.innerWidth < 600 ? 8 : 16, lines = [];
    for (let i = 0; i < hex.length / 2; i += width) {
      const bytes = (hex.slice(2 * i, 2 * (i + width)).match(/../g) || []);
      const ascii = bytes.map((h) => parseInt(h, 16)).map((c) => (c < 32 || c > 126 ? "." : String.fromCharCode(c))).join("");
      lines.push((offset + i).toString(16).padStart(8, "0") + "  " + bytes.join(" ").padEnd(3 * width) + " " + ascii);
    }
    return lines.join("\n");
  }

  // --- the controls ---

  function options(select, values, title) {
    for (const [value, label] of values) select.append(make("option", { value }, label));
    select.title = title;
  }

  function setUp() {
    const perHost = new Map(), perRule = new Map();
    for (const f of findings) {
      perHost.set(f.host, (perHost.get(f.host) || 0) + 1);
      for (const n of new Set(ruleNames(f))) perRule.set(n, (perRule.get(n) || 0) + 1);
    }
    const label = (name, n) => (name.length > 60 ? name.slice(0, 59) + "…" : name) + " (" + number(n) + ")";
    options(byId("host"), hosts.map((h, i) => [i, label(h, perHost.get(i) || 0)]), "Host");
    options(byId("rule"), [...perRule].sort((a, b) => b[1] - a[1] || text(a[0], b[0])).map(([n, c]) => [n, label(n, c)]), "Rule or indicator");
    byId("host-label").hidden = !manyHosts;

    const form = byId("controls");
    let timer = 0;
    byId("text").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(read, 150); });
    form.addEventListener("change", read);
    form.addEventListener("submit", (e) => { e.preventDefault(); read(); });
    form.addEventListener("reset", () => setTimeout(() => { direction(false); read(); }));
    byId("direction").addEventListener("click", () => { direction(!state.reverse); select(); });
    byId("previous").addEventListener("click", () => turn(-1));
    byId("next").addEventListener("click", () => turn(1));
    for (const th of list.querySelectorAll("th[data-sort]")) {
      const button = make("button", { type: "button" }, th.textContent);
      button.addEventListener("click", () => {
        direction(state.sort === th.dataset.sort && !state.reverse);
        byId("sort").value = th.dataset.sort;
        read();
      });
      th.replaceChildren(button);
    }
    window.addEventListener("beforeprint", () => { state.page = 0; render(printSize); });
    window.addEventListener("afterprint", () => render(pageSize));
    form.hidden = false;
  }

  function direction(reverse) {
    state.reverse = reverse;
    byId("direction").setAttribute("aria-pressed", String(reverse));
  }

  function read() {
    state.words = byId("text").value.toLowerCase().split(/\s+/).filter(Boolean);
    state.levels = new Set([0, ...[...document.querySelectorAll("input[name=level]:checked")].map((b) => +b.value)]);
    state.host = byId("host").value;
    state.rule = byId("rule").value;
    state.sort = byId("sort").value;
    select();
  }

  function turn(by) {
    state.page += by;
    render(pageSize);
    byId("findings").scrollIntoView();
  }

  setUp();
  select();
})();
