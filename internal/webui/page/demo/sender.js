// The form that publishes by POST /notify and shows the answer.

import { icon } from "./draw.js";

const EXAMPLES = [
  { name: "Bar", type: "bar.opens", title: "The lobby bar opens at six", body: "The first drink is on the house.", priority: "low" },
  {
    name: "Comment", type: "comment.created", title: "Edith commented on your draft", body: "“Lovely. Ship it before lunch?”", priority: "normal",
    url: "/#/drafts/7", actions: [{ title: "Reply", url: "/#/drafts/7/reply" }, { title: "All comments", url: "/#/drafts/7/comments" }],
  },
  { name: "Deploy", type: "deploy.finished", title: "Deploy 214 is live", body: "All 38 checks passed in 4 min 12 s.", priority: "normal", url: "/#/deploys/214" },
  {
    name: "Alarm", type: "disk.filling", title: "Disk on db-2 is 91 % full", body: "At this pace it is full by 18:40.", priority: "high",
    url: "/#/hosts/db-2", actions: [{ title: "Clean up now", url: "/#/hosts/db-2/cleanup" }],
  },
];

const FIELDS = ["type", "title", "body", "url", "priority"];

export class Sender {
  onChange = () => {};
  #form;
  #answer;
  #options;
  #next = 0; // index of the example in the form
  #actions; // of the example in the form, until the user changes it
  #untouched = true; // until the user selects an example or types, each send fills in the next example

  constructor(form, options) {
    this.#form = form;
    this.#options = options;
    this.#answer = form.querySelector(".answer");
    this.#drawExamples();
    this.#fill(0);
    form.addEventListener("input", (event) => {
      if (event.target.name !== "to") this.#touch();
      this.#clearFaults();
      this.onChange(this.draft());
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** Returns the body of the POST for the content of the form. */
  draft() {
    const to = this.#form.elements.to.value;
    const draft = { to: to === "all" ? { all: true } : { users: [to] } };
    for (const name of FIELDS) {
      const value = this.#form.elements[name].value;
      if (value !== "" && !(name === "priority" && value === "normal")) draft[name] = value;
    }
    if (this.#actions) draft.actions = this.#actions;
    return draft;
  }

  #drawExamples() {
    const buttons = EXAMPLES.map((example, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = example.name;
      button.addEventListener("click", () => {
        this.#untouched = false;
        this.#fill(i);
      });
      return button;
    });
    this.#form.querySelector(".examples").append(...buttons);
  }

  #fill(i) {
    this.#next = i;
    for (const name of FIELDS) this.#form.elements[name].value = EXAMPLES[i][name] ?? "";
    this.#actions = EXAMPLES[i].actions;
    this.#press(i);
    this.#clearFaults();
    this.onChange(this.draft());
  }

  #touch() {
    this.#untouched = false;
    this.#actions = undefined;
    this.#press(-1);
  }

  #press(i) {
    const buttons = this.#form.querySelectorAll(".examples button");
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === i)));
  }

  async #submit() {
    const button = this.#form.querySelector(".primary");
    if (button.disabled) return;
    button.disabled = true;
    this.#clearFaults();
    try {
      const { status, body, retryAfter } = await this.#post(this.draft());
      if (status === 202) this.#accepted(body);
      else this.#refused(status, body, retryAfter);
    } catch (error) {
      const lost = error instanceof TypeError; // fetch throws it if there is no answer
      this.#showAnswer("bad", "warn", "No answer", [lost ? "The service could not be reached. Is it still running?" : error.message]);
    } finally {
      button.disabled = false;
    }
  }

  async #post(draft) {
    const body = JSON.stringify(draft);
    const key = newKey(); // also used by the second attempt, so that nothing is published twice
    this.#options.onRequest("out", body);
    let answer = await this.#try(body, key, false);
    if (answer.status === 401) answer = await this.#try(body, key, true);
    const text = await answer.text();
    this.#options.onRequest("in", text);
    return { status: answer.status, body: parse(text), retryAfter: answer.headers.get("Retry-After") };
  }

  async #try(body, key, fresh) {
    const headers = {
      Authorization: `Bearer ${await this.#options.token({ fresh })}`,
      "Content-Type": "application/json",
      "Idempotency-Key": key,
    };
    return fetch(this.#options.url, { method: "POST", headers, body, signal: AbortSignal.timeout(15_000) });
  }

  #accepted({ id, recipients }) {
    const audience = recipients === undefined ? "for everyone" : `for ${recipients} ${recipients === 1 ? "user" : "users"}`;
    this.#showAnswer("good", "check", `202: stored ${audience}`, [id]);
    if (this.#untouched) this.#fill((this.#next + 1) % EXAMPLES.length);
  }

  #refused(status, problem, retryAfter) {
    const lines = [problem.detail, retryAfter && `Try again in ${retryAfter} s.`].filter(Boolean);
    const general = (problem.errors ?? []).filter((fault) => !this.#mark(fault));
    this.#showAnswer("bad", "warn", `${status}: ${problem.title ?? "refused"}`, lines, general.map(({ pointer, detail }) => `${pointer} ${detail}`));
  }

  // Shows a fault next to its field; returns false if it belongs to no field.
  #mark({ pointer, detail }) {
    const input = this.#form.elements[pointer.slice(1)];
    const message = input instanceof Element && input.closest(".field")?.querySelector(".fault");
    if (!message) return false;
    input.setAttribute("aria-invalid", "true");
    message.textContent = detail;
    message.hidden = false;
    return true;
  }

  #clearFaults() {
    for (const input of this.#form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
    for (const fault of this.#form.querySelectorAll(".fault")) fault.hidden = true;
  }

  #showAnswer(mood, symbol, headline, lines, items = []) {
    const box = document.createElement("div");
    box.className = mood;
    box.append(icon(symbol), element("strong", headline));
    box.append(...lines.map((line) => element("p", line)));
    if (items.length > 0) {
      const list = document.createElement("ul");
      list.append(...items.map((item) => element("li", item)));
      box.append(list);
    }
    this.#answer.replaceChildren(box);
  }
}

function element(name, text) {
  const node = document.createElement(name);
  node.textContent = text;
  return node;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

// Returns a random key. crypto.randomUUID is missing if the demo is opened by HTTP from
// another device of the local network.
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
