// The list of traces with its filters, what the address says is open, and the keyboard.
(() => {
  const { make, flat } = Page;
  const { address, badge, compare, count, draw, moment, seconds } = Drawing;
  const live = document.documentElement.dataset.mode === "live";
  const source = live ? Source.served() : Source.embedded();
  const by = (id) => document.getElementById(id);

  // --- the list and its filters ------------------------------------------------------------

  const rows = new Map(); // id -> {entry, item}
  let chosen = { a: null, b: null };
  let asked = 0;

  const query = () => ({
    words: by("words").value.trim(),
    ending: by("ending").value,
    tool: by("tool").value,
    since: by("since").value ? Date.now() / 1000 - Number(by("since").value) : 0,
  });
  const filtered = () => Object.values(query()).some(Boolean);


  function row(entry) {
    const what = flat(entry.instruction).replaceAll("\n", " ");
    const link = make("a", { href: address(entry.id, null) },
      make("span", { class: "what", dir: "auto" }, what),
      make("span", { class: "small" }, badge(entry.state, entry.failed),
        ` ${moment(entry.began)} · ${count(entry.calls, "call")} · ${seconds(entry.seconds)}`));
    const next = make("button", {
      type: "button", title: "Open next to the other trace",
      "aria-label": `Compare: ${what.slice(0, 60)}`, "aria-pressed": "false",
    }, "⇄");
    next.addEventListener("click", () => {
      const off = chosen.b === entry.id;
      location.hash = address(chosen.a || entry.id, off || !chosen.a ? null : entry.id);
    });
    return make("li", {}, link, next);
  }

  function drawList(entries) {
    rows.clear();
    const fragment = document.createDocumentFragment();
    for (const entry of entries) {
      const item = row(entry);
      rows.set(entry.id, { entry, item });
      fragment.append(item);
    }
    by("list").replaceChildren(fragment);
    said();
    mark();
  }

  function said() {
    const failed = [...rows.values()].filter(({ entry }) => entry.failed).length;
    by("status").textContent = `${count(rows.size, "trace")}${failed ? `, ${failed} failed` : ""}`;
  }

  function mark() {
    for (const [id, { item }] of rows) {
      const [link, next] = item.children;
      if (id === chosen.a) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
      next.setAttribute("aria-pressed", String(id === chosen.b));
    }
  }

  async function refresh() {
    const mine = ++asked;
    const entries = await source.list(query());
    if (mine === asked) drawList(entries);
  }

  function choices(select, values, labels = {}) {
    const had = select.value;
    select.replaceChildren(...values.map((value) => make("option", { value }, labels[value] || flat(value))));
    select.value = values.includes(had) ? had : "";
  }

  function offer(entries) {
    const tools = new Set(entries.flatMap((entry) => entry.tools));
    const states = new Set(entries.map((entry) => entry.state));
    choices(by("tool"), ["", ...[...tools].sort()], { "": "any" });
    choices(by("ending"), ["", "failed", ...[...states].sort()], { "": "any", failed: "any failure" });
  }

  function changed(entries) {
    if (filtered()) refresh();
    else {
      for (const entry of entries) {
        const item = row(entry);
        const old = rows.get(entry.id);
        rows.set(entry.id, { entry, item });
        if (old) old.item.replaceWith(item);
        else by("list").prepend(item);
      }
      said();
      mark();
    }
    for (const entry of entries) {
      if (entry.id === chosen.a || entry.id === chosen.b) open();
    }
    offer([...entries, ...[...rows.values()].map((made) => made.entry)]);
  }

  // --- what is open --------------------------------------------------------------------------

  let opening = 0;
  async function open() {
    const mine = ++opening;
    const { a, b } = chosen;
    const traces = await Promise.all([a, b].map((id) => (id ? source.load(id) : null)));
    if (mine !== opening) return;
    const main = by("main");
    const alone = !b && !main.classList.contains("two");
    main.classList.toggle("two", Boolean(a && b));
    document.body.classList.toggle("chosen", Boolean(a));
    const old = new Map([...main.querySelectorAll("section.trace")].map((box) => [box.dataset.id, box]));
    const boxes = [a, b].flatMap((id, n) => {
      if (!id) return [];
      if (!traces[n]) return [make("p", { class: "empty" }, `There is no trace ${flat(id)}.`)];
      const side = n ? "b" : "a";
      const { entry } = rows.get(id) || {};
      return [draw(traces[n], { id, side, entry, other: n ? a : b, old: alone && old.get(id) })];
    });
    if (!a) boxes.push(make("p", { class: "empty" }, "Choose a trace; ⇄ opens a second one next to it."));
    main.replaceChildren(...boxes);
    if (traces[0] && traces[1]) compare(traces[0], traces[1]);
    document.title = a ? `${flat(a)} · umi traces` : "umi traces";
  }

  function route() {
    const parts = new URLSearchParams(location.hash.slice(1));
    chosen = { a: parts.get("a"), b: parts.get("b") };
    mark();
    return open();
  }

  async function connected(is) {
    if (!is) {
      by("status").textContent = "not connected";
      return;
    }
    // What was saved since the page asked for the list, or while it was not connected.
    await refresh();
    if (chosen.a) await open();
    document.body.dataset.connected = "yes";
  }

  // --- keyboard, and the start -------------------------------------------------------------

  by("list").addEventListener("keydown", (event) => {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const item = step && event.target.closest("li");
    const other = item && item[step];
    if (!other) return;
    event.preventDefault();
    other.firstElementChild.focus();
  });
  by("skip").addEventListener("click", (event) => {
    event.preventDefault();
    by("main").focus();
  });
  by("filter").addEventListener("submit", (event) => event.preventDefault());
  let timer = 0;
  by("filter").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, live ? 120 : 30);
  });
  window.addEventListener("hashchange", route);

  (async () => {
    const entries = await source.all();
    offer(entries);
    drawList(entries);
    const only = entries.length === 1 && !location.hash;
    if (only) history.replaceState(null, "", address(entries[0].id, null));
    await route();
    document.body.dataset.ready = "yes";
    source.watch(changed, connected);
    // A process that was killed reports nothing.
    if (live) setInterval(() => {
      if ([...rows.values()].some(({ entry }) => entry.state === "running")) refresh();
    }, 10000);
  })().catch((error) => { by("status").textContent = `the traces cannot be shown: ${error.message}`; });
})();
