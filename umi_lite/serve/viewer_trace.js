// Draws one trace, or two side by side. What a model, a tool or a user wrote becomes text nodes.
const Drawing = (() => {
  const { make, shown, flat } = Page;
  const by = (id) => document.getElementById(id);
  const SPEAKER = {
    user: "user", plan: "planner", call: "caller", observation: "tool", answer: "summarizer",
    offer: "tool",
  };
  const LANES = ["planner", "caller", "tool", "summarizer"];
  const SPECIAL = /(<[|｜][^<>|｜]{1,60}[|｜]>|<\/?[a-z_]{1,24}>|\[\/?[A-Z_]{2,24}\])/;
  const seconds = (value) => `${value.toFixed(value < 10 ? 2 : 1)} s`;
  const count = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
  const sum = (items, of) => items.reduce((all, item) => all + (of(item) || 0), 0);

  function moment(began) {
    if (!began) return "no date";
    const at = new Date(began * 1000);
    const two = (n) => String(n).padStart(2, "0");
    const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
  }

  const address = (a, b) => {
    const parts = [];
    if (a) parts.push(`a=${encodeURIComponent(a)}`);
    if (b) parts.push(`b=${encodeURIComponent(b)}`);
    return `#${parts.join("&")}`;
  };
  function badge(state, failed) {
    const kind = state === "running" ? "running" : failed ? "failed" : "";
    return make("span", { class: `badge ${kind}` }, state.replaceAll("_", " "));
  }

  // Turns by the step that they became; those of older traces name none.
  function aligned(trace) {
    const steps = trace.trajectory.steps;
    const named = trace.turns.some((turn) => turn.step !== null && turn.step !== undefined);
    const failed = trace.stop === "bad_turn" ? 1 : 0;
    const first = Math.max(0, steps.length - (trace.turns.length - failed));
    const found = new Map();
    trace.turns.forEach((turn, at) => {
      const step = named ? turn.step : first + at;
      // A chat leaves a broken turn's step out when the user speaks again: a later step is there.
      const kinds = turn.view === "tool" ? ["observation"] : ["plan", "call", "answer"];
      if (steps[step] && !kinds.includes(steps[step].kind)) return;
      found.set(step, at);
    });
    return found;
  }

  function promptOf(trace, at) {
    const chain = [at];
    for (;;) {
      const before = trace.turns[chain[0]].continues;
      if (before === null || before === undefined || !(before < chain[0]) || before < 0) break;
      chain.unshift(before);
    }
    const parts = [];
    for (const number of chain) {
      const turn = trace.turns[number];
      for (const piece of turn.read || []) {
        const [text, special] = trace.pieces[piece];
        parts.push([text, special ? "special" : "plain"]);
      }
      if (number !== at) parts.push([turn.said || "", "said"]);
    }
    return parts;
  }

  function exact(trace, at) {
    const box = make("div", { class: "exact", tabindex: 0, role: "region", "aria-label": "Exact prompt" });
    for (const [text, kind] of promptOf(trace, at)) {
      if (kind !== "special") {
        box.append(make("span", { class: kind }, ...shown(text)));
        continue;
      }
      for (const part of text.split(SPECIAL)) {
        if (!part) continue;
        if (SPECIAL.test(part)) box.append(make("mark", { class: "special" }, ...shown(part)));
        else box.append(make("span", { class: "template" }, ...shown(part.replaceAll("\n", "↵\n"))));
      }
    }
    return box;
  }

  function content(step) {
    const text = (value, extra = "") => make("p", { class: `text ${extra}`, dir: "auto" }, ...shown(value));
    const code = (value, extra = "") => make("pre", {
      class: `text ${extra}`, tabindex: value.length > 1500 ? 0 : undefined,
    }, ...shown(value));
    switch (step.kind) {
      case "plan": return [text(step.thought)];
      case "call": return [code(`${step.tool} ${JSON.stringify(step.arguments, null, 1)}`)];
      case "observation": return [code(step.content, step.error ? "fault" : "")];
      case "offer": return [text(`Tools: ${step.tools.map((tool) => tool.name).join(", ")}`)];
      case "user": case "answer": return [text(step.text)];
      default: return [code(JSON.stringify(step, null, 1))];
    }
  }

  function spent(turn) {
    return turn.view === "tool" ? turn.tool_seconds
      : turn.prefill_seconds + turn.decode_seconds + turn.grammar_seconds;
  }

  function figures(turn) {
    if (turn.view === "tool") return seconds(spent(turn));
    const drafts = turn.drafted ? `, ${turn.drafted} drafted (${turn.accepted} accepted)` : "";
    return `${seconds(spent(turn))} · prompt ${count(turn.prompt_tokens, "token")}, ${turn.reused} reused · `
      + `${turn.generated} generated, ${turn.forced} forced${drafts}`;
  }

  function bars(turn) {
    const bar = (...parts) => make("div", { class: "bar" }, ...parts.map(([kind, n]) => (
      make("i", { class: `k-${kind}`, "data-n": Math.max(0, n) }))));
    const free = turn.generated - turn.forced - turn.accepted;
    return make("div", { class: "tokens", role: "img", "aria-label": figures(turn) },
      bar(["reused", turn.reused], ["read", turn.prompt_tokens - turn.reused]),
      bar(["forced", turn.forced], ["drafted", turn.accepted], ["chosen", free]));
  }

  function card(trace, side, number, step, at) {
    const turn = at === undefined ? null : trace.turns[at];
    const speaker = step ? SPEAKER[step.kind] || "user" : turn.view;
    const head = make("div", { class: "head" },
      make("h3", { id: `${side}-turn-${number}`, tabindex: -1 }, `${number} ${speaker}`));
    if (step && step.next) {
      head.append(make("span", { class: "next" }, `Next: ${flat(step.next)}`));
    }
    if (step && step.error) head.append(make("span", { class: "fault small" }, "error"));
    if (!step) head.append(make("span", { class: "fault small" }, "not a turn of its role"));
    head.append(make("span", { class: "small" }, turn ? figures(turn) : "given"));
    const body = step ? content(step) : [make("pre", { class: "text fault" }, ...shown(turn.said || ""))];
    const item = make("li", { class: `turn role-${speaker}` }, head, ...body);
    if (turn && turn.view !== "tool") item.append(bars(turn), details(trace, at));
    return item;
  }

  function details(trace, at) {
    const turn = trace.turns[at];
    if (!(turn.read || []).length) return make("p", { class: "small" }, "this trace has no prompts");
    const summary = make("summary", {}, `Exact prompt, ${count(turn.prompt_tokens, "token")}`);
    const box = make("details", {}, summary);
    box.addEventListener("toggle", () => {
      if (box.open && box.children.length === 1) box.append(exact(trace, at));
    });
    return box;
  }

  function timeline(trace, side, turns) {
    let at = 0;
    const placed = trace.turns.map((turn) => {
      const start = turn.at || at;
      at = start + spent(turn);
      return { turn, start, length: spent(turn) };
    });
    const whole = Math.max(trace.seconds, at, 1e-9);
    const stepOf = new Map([...turns].map(([step, number]) => [number, step]));
    const roleOf = (number) => {
      const step = trace.trajectory.steps[stepOf.get(number)];
      return step ? SPEAKER[step.kind] : trace.turns[number].view;
    };
    const box = make("div", { class: "time", role: "group", "aria-label": `Time line, ${seconds(whole)}` });
    for (const lane of LANES) {
      const line = make("div", { class: "bars" });
      placed.forEach(({ turn, start, length }, number) => {
        if (roleOf(number) !== lane) return;
        const step = stepOf.has(number) ? `turn ${stepOf.get(number) + 1}` : "a turn left out";
        const name = `${step}, ${lane}, ${figures(turn)}`;
        const mark = make("a", { href: "#", title: name, "aria-label": name, class: `role-${lane}` });
        mark.style.left = `${(100 * start) / whole}%`;
        mark.style.width = `${(100 * length) / whole}%`;
        mark.addEventListener("click", (event) => {
          event.preventDefault();
          const target = by(`${side}-turn-${stepOf.get(number) + 1}`);
          if (!target) return;
          target.scrollIntoView({ block: "center" });
          target.focus();
        });
        line.append(mark);
      });
      const label = make("span", { class: `role-${lane}` }, lane);
      box.append(make("div", { class: "lane" }, label, line));
    }
    box.append(make("div", { class: "ticks small", "aria-hidden": "true" },
      make("span", {}, "0 s"), make("span", {}, seconds(whole / 2)), make("span", {}, seconds(whole))));
    return box;
  }

  function facts(id, trace, entry) {
    const turns = trace.turns;
    const state = entry ? entry.state : trace.stop;
    const failed = entry ? entry.failed : trace.stop !== "answer" || trace.error;
    const list = make("dl", { class: "facts" });
    const put = (name, value) => {
      list.append(make("div", {}, make("dt", {}, name), make("dd", {}, value)));
    };
    put("ended", badge(state, failed));
    put("time", seconds(trace.seconds));
    put("tokens", `${sum(turns, (t) => t.prompt_tokens)} prompt, ${sum(turns, (t) => t.reused)} reused, `
      + `${sum(turns, (t) => t.generated)} generated, ${sum(turns, (t) => t.forced)} forced, `
      + `${sum(turns, (t) => t.drafted)} drafted`);
    if (trace.started) put("started", moment(Date.parse(trace.started) / 1000));
    if (trace.bundle) put("bundle", flat(trace.bundle));
    if (trace.model) put("model", flat(trace.model));
    if (trace.elided) put("elided", count(trace.elided, "observation"));
    put("id", flat(id));
    const parent = (trace.trajectory.meta || {}).branch_of;
    if (typeof parent === "string") {
      const name = `${flat(parent)}, turn ${Number(trace.trajectory.meta.turn)}`;
      put("branch of", make("a", { href: address(parent, trace.trajectory.id) }, name));
    }
    return list;
  }

  function actions(trace, other) {
    const save = make("button", { type: "button" }, "Save JSON");
    save.addEventListener("click", () => {
      const data = new Blob([JSON.stringify(trace, null, 1), "\n"], { type: "application/json" });
      const url = URL.createObjectURL(data);
      const name = trace.trajectory.id.replace(/[^\w.-]/g, "_");
      make("a", { href: url, download: `${name}.json` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    });
    const back = make("a", { class: "all", href: "#" }, "All traces");
    const bar = make("div", { class: "actions" }, back, save);
    if (other) {
      const close = make("button", { type: "button" }, "Close");
      close.addEventListener("click", () => {
        location.hash = address(other, null);
      });
      bar.append(close);
    }
    return bar;
  }

  const keys = new WeakMap(); // what a turn's card shows

  // `side` is "a" or "b"; `other` the id of the trace next to it; `old` what showed it before.
  function draw(trace, { id, side, entry, other, old }) {
    const steps = trace.trajectory.steps;
    const turns = aligned(trace);
    const most = Math.max(1, ...trace.turns.map((turn) => Math.max(turn.prompt_tokens, turn.generated)));
    const list = old ? old.querySelector("ol") : make("ol", { "aria-label": "Turns" });
    const last = Math.max(steps.length - 1, ...turns.keys());
    let drawn = 0;
    for (let at = 0; at <= last; at += 1) {
      const turn = turns.get(at);
      if (!steps[at] && turn === undefined) continue;
      const key = JSON.stringify([steps[at], turn === undefined ? null : trace.turns[turn]]);
      const before = list.children[drawn];
      drawn += 1;
      if (before && keys.get(before) === key) continue;
      const made = card(trace, side, at + 1, steps[at], turn);
      keys.set(made, key);
      if (before) before.replaceWith(made);
      else {
        if (old) made.classList.add("new");
        list.append(made);
      }
    }
    // A chat takes turns back.
    while (list.children.length > drawn) list.lastElementChild.remove();
    for (const part of list.querySelectorAll(".bar i")) {
      part.style.width = `${(100 * Number(part.dataset.n)) / most}%`;
    }
    const running = entry && entry.state === "running";
    if (running) list.setAttribute("aria-live", "polite");
    const box = make("section", { class: "trace", "aria-label": `Trace ${flat(id)}` },
      actions(trace, other),
      make("h2", { dir: "auto" }, ...shown(trace.trajectory.instruction)),
      facts(id, trace, entry),
      trace.error && !running ? make("p", { class: "error" }, ...shown(trace.error)) : null,
      timeline(trace, side, turns), key(), list);
    box.dataset.id = id;
    return box;
  }

  function key() {
    const of = [["reused", "prompt, reused"], ["read", "prompt, read now"], ["forced", "forced"],
      ["drafted", "drafted and accepted"], ["chosen", "generated one by one"]];
    return make("p", { class: "small" }, "Tokens:", ...of.flatMap(([kind, name]) => [
      make("span", { class: `key k-${kind}` }), name]));
  }

  // Mark where two episodes part.
  function compare(a, b) {
    const lists = [a, b].map((trace) => trace.trajectory.steps.map((step) => JSON.stringify(step)));
    for (const side of ["a", "b"]) {
      const mine = side === "a" ? lists[0] : lists[1];
      const other = side === "a" ? lists[1] : lists[0];
      mine.forEach((step, at) => {
        const head = by(`${side}-turn-${at + 1}`);
        if (step === other[at]) head.closest("li").classList.add("same");
        else head.after(make("span", { class: "differs" }, "differs"));
      });
    }
  }

  return { address, badge, compare, count, draw, moment, seconds };
})();
