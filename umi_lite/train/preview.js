// Draws what each role trains on. All texts become text nodes.
(() => {
  const { make, shown, flat } = Page;
  const data = JSON.parse(document.getElementById("preview").textContent);
  const main = document.getElementById("main");
  const number = (n) => n.toLocaleString("en");
  const count = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;
  const percent = (part, whole) => `${(100 * part / Math.max(1, whole)).toFixed(1)}%`;
  const KINDS = ["trained", "masked", "left out"];
  const style = (kind) => kind.replaceAll(" ", "-");
  const BINS = 32;

  // Tokens of each kind, as a bar that is read out as a sentence.
  function share(item) {
    const counts = { trained: item.trained, masked: item.masked, "left out": item.left_out };
    const all = item.trained + item.masked + item.left_out;
    const text = KINDS.filter((kind) => counts[kind] || kind === "trained")
      .map((kind) => `${number(counts[kind])} ${kind} (${percent(counts[kind], all)})`).join(", ");
    const bar = make("div", { class: "bar", role: "img", "aria-label": `tokens: ${text}` });
    for (const kind of KINDS) {
      const part = make("i", { class: style(kind) });
      part.style.width = percent(counts[kind], all);
      bar.append(part);
    }
    return [make("p", {}, `Tokens: ${text}.`), bar];
  }

  // How many samples are how long; those beyond max_length are left out.
  function histogram(role) {
    const lengths = [...role.lengths].sort((a, b) => a - b);
    if (!lengths.length) return [];
    const most = Math.max(data.max_length, lengths[lengths.length - 1]);
    const bins = Array.from({ length: BINS }, () => [0, 0]);
    for (const length of lengths) {
      const at = Math.min(BINS - 1, Math.floor((BINS * length) / (most + 1)));
      bins[at][length > data.max_length ? 1 : 0] += 1;
    }
    const highest = Math.max(...bins.map(([kept, long]) => kept + long));
    const at = (fraction) => lengths[Math.min(lengths.length - 1, Math.floor(fraction * lengths.length))];
    const text = `Lengths: median ${number(at(0.5))} tokens, 95th percentile ${number(at(0.95))}, `
      + `longest ${number(lengths[lengths.length - 1])}; max_length ${number(data.max_length)}.`;
    const columns = make("div", { class: "columns", role: "img", "aria-label": `Histogram. ${text}` });
    bins.forEach(([kept, long], bin) => {
      const from = Math.round((bin * (most + 1)) / BINS);
      const column = make("i", {
        class: long > kept ? "long" : "kept", title: `from ${from} tokens: ${count(kept + long, "sample")}`,
      });
      column.style.height = `${(100 * (kept + long)) / highest}%`;
      columns.append(column);
    });
    const scale = make("div", { class: "scale soft", "aria-hidden": "true" },
      make("span", {}, "0"), make("span", {}, `${number(most)} tokens`));
    return [make("p", {}, text), columns, scale];
  }

  function sample(made, at) {
    const box = make("pre", { tabindex: 0, "aria-label": `Sample ${at + 1}` });
    for (const [kind, text] of made.runs) {
      box.append(make("span", { class: style(kind), title: kind }, ...shown(text)));
    }
    const counts = KINDS.map((kind) => `${number(made[kind.replace(" ", "_")])} ${kind}`).join(", ");
    return [make("h3", {}, `${at + 1} · ${flat(made.name)} `, make("span", { class: "soft" }, counts)), box];
  }

  function role(made) {
    const lost = [];
    if (made.too_long) lost.push(`${count(made.too_long, "sample")} longer than max_length`);
    if (made.silent) lost.push(`${count(made.silent, "trajectory").replace("trajectorys", "trajectories")} `
      + `in which this role does not speak`);
    return make("section", { "aria-labelledby": `role-${made.view}` },
      make("h2", { id: `role-${made.view}` }, `${made.view}: ${count(made.lengths.length, "sample")}`),
      ...share(made), ...histogram(made),
      make("p", {}, `Lost: ${lost.join("; ") || "nothing"}.`),
      ...made.samples.flatMap(sample));
  }

  function lost() {
    if (!data.lost.length) return [make("p", {}, "Every row of the sources is used.")];
    const head = make("tr", {}, ...["what", "how many", "why", "first"].map(
      (name) => make("th", { scope: "col" }, name)));
    const rows = data.lost.map((row) => make("tr", {}, ...[row.what, number(row.count), row.why, row.first]
      .map((value) => make("td", {}, ...shown(value)))));
    return [make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows))];
  }

  const name = flat(data.recipe);
  document.title = `${name} · umi data preview`;
  main.append(
    make("h1", {}, `What ${name} trains on`),
    make("p", { class: "soft" }, `${number(data.trajectories)} trajectories, ${number(data.held_out)} more held out · `
      + `style ${data.style} · max_length ${number(data.max_length)} tokens`),
    make("p", {}, ...[["trained", "trained"], ["masked", "masked: read, not trained"],
      ["left out", "left out: the sample is longer than max_length"]].flatMap(
      ([kind, text]) => [make("span", { class: style(kind) }, text), " "])),
    make("nav", { "aria-label": "Roles" }, ...data.roles.map(
      (made) => make("a", { href: `#role-${made.view}` }, made.view))),
    make("h2", {}, "Rows lost, and why"), ...lost(), ...data.roles.map(role));
  document.body.dataset.ready = "yes";
})();
