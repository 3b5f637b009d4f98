// The last frames and requests, as sent and received. They contain no tokens, since
// tokens are sent in headers.

import { clock } from "./draw.js";

const SHOWN = 40;
const COLLAPSED_BELOW = "(max-width: 40rem)";

export class Wire {
  #list;
  #total;
  #count = 0;

  constructor(element) {
    this.#list = element.querySelector("ol");
    this.#total = element.querySelector(".aside");
    element.open = !matchMedia(COLLAPSED_BELOW).matches;
  }

  /** Adds a frame at the top. */
  add(kind, name, direction, text) {
    const item = document.createElement("li");
    const time = document.createElement("time");
    time.textContent = clock(Date.now());
    const whose = document.createElement("span");
    whose.className = `whose ${kind}`;
    whose.textContent = kind === "post" && direction === "in" ? "answer" : name;
    const frame = document.createElement("span");
    frame.className = "frame";
    frame.append(...paint(text));
    item.append(time, whose, frame);
    this.#list.prepend(item);
    while (this.#list.children.length > SHOWN) this.#list.lastElementChild.remove();
    this.#count++;
    this.#total.textContent = this.#count > SHOWN ? `last ${SHOWN} of ${this.#count}` : `${this.#count}`;
  }
}

const TOKENS = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\b/g;

// Splits JSON into spans, so that the style sheet can make names less prominent than values.
function paint(text) {
  const parts = [];
  let done = 0;
  for (const match of text.matchAll(TOKENS)) {
    parts.push(text.slice(done, match.index), span(className(match), match[0]));
    done = match.index + match[0].length;
  }
  return [...parts, text.slice(done)];
}

function className([, string, colon]) {
  if (!string) return "word";
  return colon ? "name" : "string";
}

function span(name, text) {
  const node = document.createElement("span");
  node.className = name;
  node.textContent = text;
  return node;
}
