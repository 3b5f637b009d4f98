// Lists the notifications that have left the inbox of a user.

import { explain, part, type API } from "./api.js";
import { fill, h } from "./dom.js";
import { ago, moment } from "./format.js";
import { link } from "./notification.js";
import { fate } from "./story.js";
import type { Removed, RemovedPage } from "./types.js";

/** Fills a card with the last ones, and with the way to older ones. Each answer is from a part of those of all users, so it may be empty. */
export async function removedList(card: HTMLElement, api: API, user: string, current: () => boolean): Promise<void> {
  const list = h("ol", { class: "rows removed" });
  const more = h("p", {});
  const page = async (before?: string): Promise<void> => {
    try {
      const answer = await api.get<RemovedPage>(`users/${part(user)}/removed`, { before, limit: "10" });
      if (!current()) return;
      const listed = list.childElementCount;
      list.append(...answer.items.map((one) => item(one, user)));
      const { next, searched_to: to } = answer;
      const none = list.childElementCount === 0 ? "Nothing is listed" : "";
      fill(more, (none || next) && h("span", { class: "quiet" }, next ? `${none || "Listed are those"} since ${moment(to ?? "")}. ` : `${none}.`), !!next && older(() => void page(next), "Search older ones"));
      if (before) goOn(list, listed, more);
    } catch (error) {
      if (current()) fill(more, h("span", { class: "banner", role: "alert" }, explain(error)), older(() => void page(before), "Try again"));
    }
  };
  fill(card, h("h3", {}, "Removed"), list, more,
    h("p", { class: "quiet" }, "Notifications that have left the inbox: recalled, replaced, expired or evicted, the last published first. Their text is kept only while other users have them. A notification to a topic that only the user's token names is not listed; look it up by its ID:"),
    byID(user));
  await page();
}

/** Returns the form that looks up what became of a notification for a user. */
function byID(user: string): HTMLElement {
  const id = h("input", { name: "id", class: "mono", "aria-label": "Notification ID", placeholder: "Notification ID", autocomplete: "off", spellcheck: "false", required: true });
  const ask = (event: Event) => {
    event.preventDefault();
    location.hash = link({ notification: id.value.trim(), user });
  };
  return h("form", { class: "inline", submit: ask }, id, h("button", { type: "submit" }, "What became of it?"));
}

/** Returns the button that loads the next page, once. */
export function older(load: () => void, name = "Older ones"): HTMLButtonElement {
  const button = h("button", {
    type: "button",
    click() {
      button.disabled = true;
      load();
    },
  }, name);
  return button;
}

/** Moves the focus to the first new item of a list, or to the next button: the one that had the focus is gone. */
export function goOn(list: Element, listed: number, more: Element): void {
  (list.children[listed]?.querySelector("a") ?? more.querySelector("button"))?.focus();
}

function item({ notification: n, ...removed }: Removed, user: string): HTMLElement {
  const why = fate(removed, "the inbox");
  const seen = removed.archived_at ? "archived" : removed.read_at ? "read" : removed.seen_at ? "seen" : "unseen";
  return h("li", {},
    h("div", { class: "line" },
      n.title || n.type ? h("a", { href: link({ notification: n.id, user }) }, n.title || n.type) : h("a", { class: "mono", href: link({ notification: n.id, user }) }, n.id),
      h("span", { class: "state bad" }, removed.state)),
    h("div", {}, why.text, why.id !== undefined && h("a", { class: "mono", href: link({ notification: why.id, user }) }, why.id),
      removed.removed_at !== undefined && h("time", { class: "quiet", datetime: removed.removed_at, title: removed.removed_at }, ` ${moment(removed.removed_at)} (${ago(removed.removed_at)})`)),
    h("div", { class: "quiet" }, "published ", h("time", { datetime: n.time, title: n.time }, moment(n.time)), `, ${seen} until then`,
      n.audience === "topic" ? ", to a topic" : n.audience === "all" && ", to everyone"));
}
