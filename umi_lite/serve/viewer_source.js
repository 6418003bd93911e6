// Where traces come from: the page itself, or the server that sent it.
const Source = (() => {
  function embedded() {
    const entries = JSON.parse(document.getElementById("index").textContent);
    const blocks = new Map();
    for (const block of document.querySelectorAll("script.trace")) blocks.set(block.dataset.id, block);
    const texts = new Map();
    const trace = (id) => (blocks.has(id) ? JSON.parse(blocks.get(id).textContent) : null);
    const text = (id) => {
      if (!texts.has(id)) texts.set(id, searched(trace(id)));
      return texts.get(id);
    };
    return {
      all: async () => entries,
      load: async (id) => trace(id),
      list: async (query) => {
        const words = query.words.toLowerCase().split(/\s+/).filter(Boolean);
        return entries.filter((entry) => fits(entry, query)
          && (!words.length || words.every((word) => text(entry.id).includes(word))));
      },
      watch() {},
    };
  }

  function searched(trace) {
    const made = trace.trajectory;
    const parts = [made.id, made.instruction, trace.error || "", trace.bundle || ""];
    for (const step of made.steps) {
      parts.push(step.thought || "", step.next ? `Next: ${step.next}` : "", step.text || "");
      parts.push(step.tool || "", step.arguments ? JSON.stringify(step.arguments) : "");
      parts.push(step.content || "");
    }
    return parts.join("\n").toLowerCase();
  }

  function fits(entry, query) {
    if (query.ending === "failed" ? !entry.failed : query.ending && entry.state !== query.ending) {
      return false;
    }
    return (!query.tool || entry.tools.includes(query.tool))
      && (!query.since || entry.began >= query.since);
  }

  function served() {
    const get = async (path) => {
      const answer = await fetch(path, { cache: "no-store" });
      if (answer.status === 404) return null;
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      return answer.json();
    };
    return {
      all: () => get("api/traces"),
      load: (id) => get(`api/traces/${encodeURIComponent(id)}`),
      list: async (query) => {
        const asked = new URLSearchParams();
        for (const name of ["words", "tool", "since"]) if (query[name]) asked.set(name, query[name]);
        if (query.ending === "failed") asked.set("failed", "1");
        return (await get(`api/traces?${asked}`)).filter((entry) => fits(entry, query));
      },
      // `connected(true)` each time there is a connection, `connected(false)` when it is lost.
      watch(changed, connected) {
        const events = new EventSource("api/events");
        events.addEventListener("traces", (event) => changed(JSON.parse(event.data)));
        events.addEventListener("open", () => connected(true));
        events.addEventListener("error", () => connected(false));
      },
    };
  }

  return { embedded, served };
})();
