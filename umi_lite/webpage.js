"use strict";
// What every page draws with: elements, and texts in which nothing acts on the page or the screen.
const Page = (() => {
  // What a screen would act on or hide: controls, formats such as bidi marks, unassigned characters.
  const HIDDEN = /[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u;
  const PLAIN = new Set(["\n", "\t"]);

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === undefined || value === null || value === false) continue;
      if (name === "class") node.className = value;
      else node.setAttribute(name, value === true ? "" : String(value));
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  }

  // Nodes of a text in which hidden characters are written out, as in \u202e.
  function shown(text) {
    const nodes = [];
    let plain = "";
    for (const character of String(text).replaceAll("\r\n", "\n")) {
      if (PLAIN.has(character) || !HIDDEN.test(character)) { plain += character; continue; }
      if (plain) nodes.push(document.createTextNode(plain));
      plain = "";
      nodes.push(make("span", { class: "hidden" }, written(character)));
    }
    if (plain) nodes.push(document.createTextNode(plain));
    return nodes;
  }

  function written(character) {
    const code = character.codePointAt(0);
    const digits = code.toString(16);
    if (code < 0x100) return "\\x" + digits.padStart(2, "0");
    return code < 0x10000 ? "\\u" + digits.padStart(4, "0") : "\\U" + digits.padStart(8, "0");
  }

  const flat = (text) => shown(text).map((node) => node.textContent).join("");

  return { make, shown, flat };
})();
