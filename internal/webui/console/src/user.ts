// Shows what is known of a user: connections, topics, preferences, inbox, and what has left the inbox.

import { explain, part, type API } from "./api.js";
import { announce, confirmed } from "./dialog.js";
import { byId, fill, h, setText } from "./dom.js";
import { ago, moment } from "./format.js";
import { link } from "./notification.js";
import { goOn, older, removedList } from "./removed.js";
import type { Connections, InboxPage, Notification, Preferences } from "./types.js";

const STATES = [["", "not archived"], ["unread", "unread"], ["read", "read"], ["archived", "archived"], ["all", "all"]] as const;

export type UserActions = {
  send(user: string): void;
  revoke(user: string): Promise<boolean>;
  audit(user: string, hash: string): void; // empty: the hash is not known
};

export class UserView {
  #view = byId("view-user");
  #shown = 0;
  #hashes = new Map<string, string>(); // of users, as log lines have them

  constructor(
    readonly api: API,
    readonly actions: UserActions,
  ) {}

  async show(user: string): Promise<void> {
    const shown = ++this.#shown;
    const cards = ["Connections", "Topics", "Preferences", "Inbox", "Removed"].map((title) => h("section", { class: "card", "aria-label": title }, h("h3", {}, title), h("p", { class: "quiet" }, "Loading …")));
    const [connections, topics, preferences, inbox, removed] = cards as [HTMLElement, HTMLElement, HTMLElement, HTMLElement, HTMLElement];
    fill(this.#view, this.#head(user), h("div", { class: "columns" }, h("div", {}, connections, topics, preferences), h("div", {}, inbox, removed)));
    const current = () => shown === this.#shown;
    const path = `users/${part(user)}`;
    await Promise.all([
      load(connections, current, async () => this.#connections(user, await this.api.get<Connections>(`${path}/connections`))),
      load(topics, current, async () => topicList((await this.api.get<{ topics: string[] }>(`${path}/topics`)).topics)),
      load(preferences, current, async () => preferenceList(await this.api.get<Preferences>(`${path}/preferences`))),
      this.#inbox(inbox, user, "", current),
      removedList(removed, this.api, user, current),
    ]);
  }

  #head(user: string): HTMLElement {
    const button = (name: string, act: () => void, kind = "") => h("button", { type: "button", class: kind, click: act }, name);
    return h("header", { class: "head" },
      h("div", {}, h("h2", { tabindex: -1 }, user), h("p", { class: "quiet" }, "User"), this.#hashLine(user)),
      h("div", { class: "buttons" },
        button("Send a test", () => this.actions.send(user)),
        button("Audit lines", () => void this.#hash(user).then((hash) => this.actions.audit(user, hash))),
        button("Name in the log", () => void this.#hash(user)),
        button("Disconnect", () => void this.#disconnect(user), "danger"),
        button("Revoke tokens", () => void this.#revoke(user), "danger")));
  }

  async #disconnect(user: string): Promise<void> {
    const done = await confirmed({
      title: `Disconnect ${user}?`,
      text: ["All connections of this user close.", "Clients reconnect if their tokens are still valid. To prevent that, revoke the tokens."],
      verb: "Disconnect",
      run: () => this.api.delete(`users/${part(user)}/connections`),
      done: `Disconnected ${user}.`,
    });
    if (done) await this.#again(user);
  }

  async #revoke(user: string): Promise<void> {
    if (await this.actions.revoke(user)) await this.#again(user);
  }

  /** Shows a user again. The button that was used is gone, so the title has the focus. */
  async #again(user: string): Promise<void> {
    const shown = this.show(user);
    this.#view.querySelector("h2")!.focus();
    await shown;
  }

  /** Returns the hash that log lines have in place of the name, and shows it. The service logs who asks, so it is asked once. */
  async #hash(user: string): Promise<string> {
    try {
      if (!this.#hashes.has(user)) this.#hashes.set(user, (await this.api.get<{ hash: string }>("log-user", { user })).hash);
    } catch (error) {
      announce(explain(error));
      return "";
    }
    const line = this.#view.querySelector(".hash");
    if (line?.getAttribute("data-user") === user) line.replaceWith(this.#hashLine(user));
    return this.#hashes.get(user)!;
  }

  #hashLine(user: string): HTMLElement {
    const hash = this.#hashes.get(user);
    const code = h("code", {}, hash);
    return h("p", { class: "quiet hash", "data-user": user, hidden: !hash }, "In the log: ", code, " ", h("button", { type: "button", class: "quiet", click: (event) => void copy(code, event) }, "Copy"));
  }

  #connections(user: string, { connections, incomplete }: Connections): (Node | false)[] {
    return [
      !!incomplete && h("p", { class: "banner" }, `Did not answer, so that their connections are missing: ${incomplete.join(", ")}`),
      connections.length === 0 && h("p", { class: "quiet" }, `${user} has no open connection.`),
      connections.length > 0 && h("ul", { class: "rows" }, ...connections.map((one) => h("li", {},
        h("div", {}, h("b", {}, one.transport), ` on ${one.node}`, one.address !== undefined && ` from ${one.address}`),
        h("div", { class: "quiet" }, "since ", h("time", { datetime: one.since, title: one.since }, moment(one.since)), ` (${ago(one.since)})`),
        h("div", { class: "mono quiet" }, one.connection)))),
    ];
  }

  /** Lists another part of the inbox. The card has a new choice, which gets the focus. */
  async #choose(card: HTMLElement, user: string, state: string, current: () => boolean): Promise<void> {
    const listed = this.#inbox(card, user, state, current);
    card.querySelector("select")!.focus();
    await listed;
  }

  async #inbox(card: HTMLElement, user: string, state: string, current: () => boolean): Promise<void> {
    const list = h("ol", { class: "rows inbox" });
    const more = h("p", {});
    const choice = h("select", { "aria-label": "Notifications that are listed", change: () => void this.#choose(card, user, choice.value, current) },
      ...STATES.map(([value, name]) => h("option", { value, selected: value === state }, name)));
    const summary = h("span", { class: "quiet" });
    const page = async (before?: string): Promise<void> => {
      try {
        const answer = await this.api.get<InboxPage>(`users/${part(user)}/inbox`, { state, before, limit: "20" });
        if (!current()) return;
        fill(summary, `${answer.unread_count} unread, ${answer.unseen_count} unseen`);
        const listed = list.childElementCount;
        list.append(...answer.items.map((one) => item(one, user)));
        const empty = list.childElementCount === 0 && !answer.next;
        fill(more, empty && h("span", { class: "quiet" }, "Nothing is listed."), !!answer.next && older(() => void page(answer.next)));
        if (before) goOn(list, listed, more);
      } catch (error) {
        if (current()) fill(more, h("span", { class: "banner", role: "alert" }, explain(error)), older(() => void page(before), "Try again"));
      }
    };
    fill(card, h("div", { class: "card-head" }, h("h3", {}, "Inbox"), summary, choice), list, more,
      h("p", { class: "quiet" }, "Notifications that the user's preferences hide are not listed."));
    await page();
  }
}

/** Copies the text of an element. Where that is not allowed, the text is selected instead. */
async function copy(element: HTMLElement, { currentTarget }: Event): Promise<void> {
  const button = currentTarget as HTMLElement;
  try {
    await navigator.clipboard.writeText(element.textContent ?? "");
    setText(button, "Copied");
  } catch {
    getSelection()?.selectAllChildren(element);
    setText(button, "Selected");
  }
}

/** Fills a card with what make returns, or with the reason why it cannot. */
async function load(card: HTMLElement, current: () => boolean, make: () => Promise<(Node | false)[]>): Promise<void> {
  const title = card.firstElementChild!;
  let children: (Node | false)[];
  try {
    children = await make();
  } catch (error) {
    children = [h("p", { class: "banner", role: "alert" }, explain(error))];
  }
  if (current()) fill(card, title, ...children);
}

const topicList = (topics: string[]): Node[] =>
  topics.length ? [h("ul", { class: "chips" }, ...topics.map((topic) => h("li", { class: "mono" }, topic)))] : [h("p", { class: "quiet" }, "Member of no topic. The service does not keep the topics of the user's tokens.")];

function preferenceList({ rules, quiet }: Preferences): Node[] {
  const rule = ({ type, topic, level }: Preferences["rules"][number]) =>
    h("li", {}, h("span", { class: `state ${level === "off" ? "bad" : level === "silent" ? "warn" : "good"}` }, level), " ",
      [type && `type ${type}`, topic && `topic ${topic}`].filter(Boolean).join(" and ") || "everything");
  return [
    rules.length ? h("ol", { class: "rules" }, ...rules.map(rule)) : h("p", { class: "quiet" }, "No rules: everything is shown."),
    ...(quiet ? [h("p", {}, `Quiet from ${quiet.from} to ${quiet.to}, ${quiet.zone}.`)] : []),
  ];
}

function item(n: Notification, user: string): HTMLElement {
  const state = n.archived_at ? "archived" : n.read_at ? "read" : n.seen_at ? "seen" : "new";
  const at = n.archived_at ?? n.read_at ?? n.seen_at;
  return h("li", { class: state },
    h("div", { class: "line" },
      h("a", { href: link({ notification: n.id, user }) }, n.title || n.type || n.id),
      n.priority === "high" && h("span", { class: "state bad" }, "high"),
      h("span", { class: `state ${state === "new" ? "warn" : "plain"}`, title: at && `${state} ${at}` }, state === "new" ? "unseen" : state)),
    h("div", { class: "quiet" }, h("time", { datetime: n.time, title: n.time }, moment(n.time)), ` (${ago(n.time)}), ${n.type ?? ""}`,
      n.audience === "topic" ? `, topic ${n.topic ?? ""}` : n.audience === "all" && ", to everyone"));
}

