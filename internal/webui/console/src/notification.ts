// Shows the story of a notification.

import { explain, part, Problem, type API } from "./api.js";
import { confirmed } from "./dialog.js";
import { byId, fill, h } from "./dom.js";
import { ago, moment } from "./format.js";
import { story, storyOf, type Sentence } from "./story.js";
import type { Notification, Trace } from "./types.js";

/** An ID as the service makes them. */
export const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Returns the address of a notification, or of a user, in this page. */
export const link = (target: { notification?: string; user?: string | undefined }) =>
  `#${new URLSearchParams(Object.entries(target).filter((pair): pair is [string, string] => !!pair[1]))}`.replaceAll("+", "%20"); // a plus sign is one

export class NotificationView {
  #view = byId("view-notification");
  #shown = 0; // counts, so that an answer that is late does not replace a later one

  constructor(readonly api: API) {}

  async show(id: string, user?: string): Promise<void> {
    const shown = ++this.#shown;
    fill(this.#view, this.#head(id), h("p", { class: "quiet" }, "Loading …"));
    try {
      const trace = await this.api.get<Trace>(`notifications/${part(id)}`, { user });
      if (shown !== this.#shown) return;
      fill(this.#view, this.#head(id, trace), h("div", { class: "columns" }, h("div", {}, this.#card(trace), this.#content(trace.notification)), this.#users(trace, user)));
    } catch (error) {
      if (shown !== this.#shown) return;
      const missing = error instanceof Problem && error.status === 404;
      fill(this.#view, this.#head(id), h("p", { class: "banner", role: "alert" }, explain(error)),
        missing && h("p", {}, "If this is the name of a user: ", h("a", { href: link({ user: id }) }, `look up the user ${id}`), "."));
    }
  }

  #head(id: string, trace?: Trace): HTMLElement {
    const recallable = trace && ["kept", "deferred", "muted"].includes(trace.state);
    return h("header", { class: "head" },
      h("div", {}, h("h2", { tabindex: -1 }, trace?.notification.title || "Notification"), h("p", { class: "mono quiet" }, id)),
      recallable && h("div", { class: "buttons" }, h("button", { type: "button", class: "danger", click: () => void this.#recall(id, trace) }, "Recall")),
    );
  }

  async #recall(id: string, { notification: { title } }: Trace): Promise<void> {
    const done = await confirmed({
      title: "Recall this notification?",
      text: [`“${title || id}” leaves all inboxes, and no connection receives it from then on.`, "This cannot be undone."],
      verb: "Recall",
      run: () => this.api.delete(`notifications/${part(id)}`),
      done: `Recalled ${id}.`,
    });
    if (!done) return;
    await this.show(id);
    this.#view.querySelector("h2")?.focus(); // the button is gone
  }

  #card(trace: Trace): HTMLElement {
    return h("section", { class: "card", "aria-label": "What became of it" },
      h("h3", {}, "What became of it"), sentences(story(trace)),
      trace.incomplete && h("p", { class: "banner" }, `Did not answer, so that their connections are missing: ${trace.incomplete.join(", ")}`));
  }

  #content(n: Notification): HTMLElement | false {
    const facts: [string, string | undefined][] = [
      ["type", n.type], ["priority", n.priority], ["collapse key", n.collapse_key], ["url", n.url],
      ...(n.actions ?? []).map(({ title, url }): [string, string] => [title, url]),
      ["silent", n.silent ? "never pushed" : undefined], ["data", n.data === undefined ? undefined : JSON.stringify(n.data, null, 2)],
    ];
    const known = facts.filter((fact): fact is [string, string] => fact[1] !== undefined);
    return known.length > 0 && h("section", { class: "card", "aria-label": "Content" },
      h("h3", {}, "Content"), n.body !== undefined && h("p", { class: "body" }, n.body),
      h("dl", { class: "facts" }, ...known.flatMap(([name, value]) => [h("dt", {}, name), h("dd", { class: "mono" }, value)])));
  }

  #users(trace: Trace, user?: string): HTMLElement {
    const input = h("input", { name: "user", "aria-label": "User", value: user ?? "", placeholder: "User", autocomplete: "off", spellcheck: "false", required: true });
    const ask = (event: Event) => {
      event.preventDefault();
      location.hash = link({ notification: trace.notification.id, user: input.value.trim() });
    };
    const none = user ? `It was published to other users than ${user}.` : "The service does not know who the readers of topics and of everyone are. Ask for one:";
    return h("section", { class: "card", "aria-label": "Users" },
      h("h3", {}, "Users"),
      trace.users.length === 0 && h("p", { class: "quiet" }, none),
      ...trace.users.map((one) => h("div", { class: "of-user" }, h("h4", {}, h("a", { href: link({ user: one.user }) }, one.user)), sentences(storyOf(one)))),
      !!user && h("p", {}, h("a", { href: link({ notification: trace.notification.id }) }, "All users")),
      h("form", { class: "inline", submit: ask }, input, h("button", { type: "submit" }, "Show for this user")));
  }
}

/** Returns the elements of a story. */
export function sentences(all: Sentence[]): HTMLElement {
  return h("ol", { class: "story" }, ...all.map(({ at, text, id, kind }) => h("li", { class: kind },
    h("span", {}, text, id !== undefined && h("a", { class: "mono", href: link({ notification: id }) }, id)),
    at !== undefined && h("time", { datetime: at, title: at }, `${moment(at)} (${ago(at)})`))));
}
