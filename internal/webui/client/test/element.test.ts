// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connect } from "../src/index.js";
import { BellhopInbox } from "../src/inbox/index.js";
import type { Frame } from "../src/types.js";
import { browser, FakeSocket, jwt, live, opened, advance, settle, socket, welcome } from "./fakes.js";

const URL_OF_SERVICE = "https://bell.test/base";
let lists = 0;
let unread = 2;
let next: string | undefined;
let members: object; // of the item b

beforeEach(() => {
  lists = 0;
  next = undefined;
  members = {};
  const item = (id: string) => ({ id, type: "test", title: id, priority: "high", time: new Date(Date.now() - 3_600_000).toISOString() });
  browser.fetch.mockImplementation(async (url) => {
    if (url.pathname.endsWith("/inbox")) lists++;
    const items = [{ ...item("b"), ...members }, item("a")];
    return Response.json({ items, unread_count: unread, cursor: "c9", next });
  });
});

afterEach(async () => {
  document.body.replaceChildren();
  await settle();
});

/** Returns a factory of token functions, and the number of their calls. */
function tokens() {
  let calls = 0;
  return { fresh: () => async () => (calls++, jwt({ sub: "ada", n: calls })), calls: () => calls };
}

/** Adds an element to the page as a framework does, and connects it. */
async function showElement(set: (inbox: BellhopInbox) => void) {
  const inbox = document.createElement("bellhop-inbox");
  set(inbox);
  document.body.append(inbox);
  await settle();
  if (socket()) await socket().receives(welcome("c1", { resumed: true }), live("c1", 2));
  const part = (name: string) => [...inbox.shadowRoot!.querySelectorAll<HTMLElement>(`[part~="${name}"]`)];
  return { inbox, part, titles: () => part("item-title").map(({ textContent }) => textContent) };
}

describe("an element that is rendered again and again", () => {
  const render = (inbox: BellhopInbox, token: () => Promise<string>) => {
    inbox.setAttribute("url", URL_OF_SERVICE);
    inbox.setAttribute("inline", "");
    Object.assign(inbox, { token, labels: { title: "Mitteilungen", unread: (n: unknown) => `${n} ungelesen` } });
  };

  it("keeps its connection, its list and the focus", async () => {
    const { fresh, calls } = tokens();
    const { inbox, part, titles } = await showElement((inbox) => render(inbox, fresh()));
    expect(titles()).toEqual(["b", "a"]);
    part("link")[1]!.focus();
    const focused = inbox.shadowRoot!.activeElement;
    expect(focused).toBe(part("link")[1]);
    const { bell } = inbox;
    for (let i = 0; i < 20; i++) {
      render(inbox, fresh());
      await settle();
    }
    expect([FakeSocket.all.length, calls(), lists]).toEqual([1, 1, 1]);
    expect([inbox.bell, inbox.shadowRoot!.activeElement]).toEqual([bell, focused]);
  });

  it("uses the newest token function for the next token", async () => {
    const used: string[] = [];
    const named = (name: string) => async () => (used.push(name), jwt({ sub: "ada", name }));
    const { inbox } = await showElement((inbox) => render(inbox, named("first")));
    inbox.token = named("second");
    await settle();
    expect(used).toEqual(["first"]);
    await socket().closes(4401, "token-expired");
    await advance(250);
    expect([used, opened().length]).toEqual([["first", "second"], 1]);
  });

  it("ignores values that are equal", async () => {
    const { fresh } = tokens();
    const { inbox } = await showElement((inbox) => render(inbox, fresh()));
    const names = ["url", "inline", "theme", "token", "bell", "labels"] as const;
    for (const name of names) Object.assign(inbox, { [name]: inbox[name] });
    Object.assign(inbox, { theme: undefined, url: URL_OF_SERVICE });
    await settle();
    expect([FakeSocket.all.length, opened().length, lists]).toEqual([1, 1, 1]);
    expect(inbox.getAttribute("theme")).toBe(null);
  });

  it("shows new labels, including those of existing rows", async () => {
    const { fresh } = tokens();
    const { inbox, part } = await showElement((inbox) => render(inbox, fresh()));
    inbox.labels = { high: "Wichtig", archive: "Ablegen: {}" };
    await settle();
    expect(part("priority").map(({ textContent }) => textContent)).toEqual(["Wichtig", "Wichtig"]);
    expect(part("action")[1]!.ariaLabel ?? part("action")[1]!.getAttribute("aria-label")).toBe("Ablegen: b");
    inbox.labels = undefined;
    await settle();
    expect(part("title")[0]!.textContent).toBe("Notifications");
  });

  it("keeps its connection when moved, and closes it when removed", async () => {
    const { fresh } = tokens();
    const { inbox } = await showElement((inbox) => render(inbox, fresh()));
    const elsewhere = document.createElement("div");
    document.body.append(elsewhere);
    elsewhere.append(inbox);
    await settle();
    expect([FakeSocket.all.length, opened().length]).toEqual([1, 1]);
    inbox.remove();
    await settle();
    expect(opened()).toEqual([]);
    document.body.append(inbox); // as in React's StrictMode
    await settle();
    expect([FakeSocket.all.length, opened().length]).toEqual([2, 1]);
  });
});

describe("an element", () => {
  const settings = { url: URL_OF_SERVICE, inline: true, token: async () => jwt({ sub: "ada" }) };

  it("uses the English text for a label that is undefined", async () => {
    const { part } = await showElement((inbox) => Object.assign(inbox, settings, { labels: { title: undefined, high: "Wichtig" } }));
    expect([part("title")[0]!.textContent, part("priority")[0]?.textContent]).toEqual(["Notifications", "Wichtig"]);
  });

  for (const name of ["more", "read-all"]) {
    it(`moves the focus to the list when ${name} is hidden`, async () => {
      next = name === "more" ? "p2" : undefined;
      const { inbox, part } = await showElement((inbox) => Object.assign(inbox, settings));
      const button = part(name)[0]!;
      button.focus();
      expect(inbox.shadowRoot!.activeElement).toBe(button);
      next = undefined;
      if (name === "more") button.click();
      else await socket().receives({ event: "inbox", cursor: "c2", data: { read: ["a", "b"], unread_count: 0 } });
      await settle();
      expect(button.hidden).toBe(true);
      expect(inbox.shadowRoot!.activeElement).toBe(part("link")[0]);
    });
  }
});

describe("an item's url and actions", () => {
  const settings = { url: URL_OF_SERVICE, inline: true, token: async () => jwt({ sub: "ada" }) };
  const actions = [{ title: "Reply", url: "/drafts/7#reply" }, { title: "<b>Out</b>", url: "https://other.test/" }];

  /** Shows the item, and records events. */
  async function showItem(its: object, prevent = false) {
    members = its;
    const events: unknown[] = [];
    const shown = await showElement((inbox) => {
      Object.assign(inbox, settings);
      inbox.addEventListener("bellhop-select", (event) => (events.push(event.detail.title), prevent && event.preventDefault()));
      inbox.addEventListener("bellhop-action", (event) => (events.push([event.detail.item.title, event.detail.action]), prevent && event.preventDefault()));
      inbox.addEventListener("bellhop-mark", (event) => events.push(event.detail));
    });
    return { ...shown, events };
  }

  /** Clicks an element as a browser does, and reports whether the page would be left. */
  function click(element: HTMLElement, type = "click", init: MouseEventInit = {}) {
    const event = new MouseEvent(type, { bubbles: true, composed: true, cancelable: true, ...init });
    let follows = false;
    document.addEventListener(type, () => {
      follows = element.localName === "a" && !event.defaultPrevented;
      event.preventDefault(); // the test stays on its page
    }, { once: true });
    element.dispatchEvent(event);
    return follows;
  }

  it("are links with their titles", async () => {
    const { part } = await showItem({ url: "/drafts/7", actions });
    const shown = [part("link")[0]!, ...part("item-action")].map((element) => [element.localName, element.getAttribute("href"), element.tabIndex]);
    expect(shown).toEqual([["a", `${document.baseURI.replace(/\/[^/]*$/, "")}/drafts/7`, 0], ["a", expect.stringMatching(/\/drafts\/7#reply$/), 0], ["a", "https://other.test/", 0]]);
    expect(part("item-action").map(({ textContent }) => textContent)).toEqual(["Reply", "<b>Out</b>"]);
    const described = part("item-action").map((element) => element.getAttribute("aria-describedby"));
    expect(described).toEqual([part("item-title")[0]!.id, part("item-title")[0]!.id]);
    expect(part("item-actions").length).toBe(1); // the other item has none
  });

  it("are buttons if a link would be unsafe", async () => {
    const { part, events } = await showItem({ url: "javascript:alert(1)", actions: [{ title: "Win", url: "java\nscript:alert(1)" }] });
    expect([part("link")[0]!, part("item-action")[0]!].map(({ localName }) => localName)).toEqual(["button", "button"]);
    expect([part("link")[0]!, part("item-action")[0]!].some((element) => element.hasAttribute("href"))).toBe(false);
    expect(click(part("item-action")[0]!, "auxclick", { button: 1 })).toBe(false);
    expect(events).toEqual([]);
  });

  it("are not in data", async () => {
    const { part } = await showItem({ data: { url: "/old", actions } });
    expect([part("link")[0]!.localName, part("item-action").length]).toEqual(["button", 0]);
  });

  it("mark the item as read when followed", async () => {
    const { part, events } = await showItem({ url: "/drafts/7", actions });
    expect(click(part("item-action")[0]!)).toBe(true);
    expect(events).toEqual([["b", actions[0]], { verb: "read", ids: ["b"] }]);
    await settle();
    expect(click(part("link")[0]!)).toBe(true);
    expect(events.slice(2)).toEqual(["b"]); // is read already
  });

  it("can be followed by the page instead", async () => {
    const { part, events } = await showItem({ url: "/drafts/7", actions }, true);
    expect([click(part("link")[0]!), click(part("item-action")[1]!)]).toEqual([false, false]);
    expect(events.filter((event) => !(event as { verb?: string }).verb)).toEqual(["b", ["b", actions[1]]]);
  });

  for (const [name, type, init] of [
    ["a middle click", "auxclick", { button: 1 }],
    ["Ctrl and a click", "click", { ctrlKey: true }],
    ["Command and a click", "click", { metaKey: true }],
    ["Shift and a click", "click", { shiftKey: true }],
  ] as const) {
    it(`open elsewhere by ${name}, which only marks as read`, async () => {
      const { part, events } = await showItem({ url: "/drafts/7", actions }, true);
      expect(click(part("item-action")[0]!, type, init)).toBe(true);
      expect(events).toEqual([{ verb: "read", ids: ["b"] }]);
    });
  }

  it("stay unread when a context menu opens", async () => {
    const { part, events } = await showItem({ url: "/drafts/7", actions });
    click(part("link")[0]!, "auxclick", { button: 2 });
    expect(events).toEqual([]);
  });
});

describe("an element's properties", () => {
  it("are reflected by attributes", async () => {
    const { inbox } = await showElement((inbox) => Object.assign(inbox, { url: URL_OF_SERVICE, inline: true, theme: "dark", token: async () => jwt({ sub: "ada" }) }));
    expect(inbox.outerHTML).toContain(`url="${URL_OF_SERVICE}"`);
    expect([inbox.hasAttribute("inline"), inbox.getAttribute("theme"), opened().length]).toEqual([true, "dark", 1]);
    Object.assign(inbox, { url: null, inline: false });
    await settle();
    expect([inbox.hasAttribute("url"), inbox.hasAttribute("inline"), opened().length]).toEqual([false, false, 0]);
  });

  it("replace the connection when the service, bell or token changes", async () => {
    const { inbox } = await showElement((inbox) => Object.assign(inbox, { url: URL_OF_SERVICE, inline: true, token: async () => jwt({ sub: "ada" }) }));
    inbox.url = "https://other.test";
    await settle();
    expect([opened().length, socket().url.host]).toEqual([1, "other.test"]);
    const bell = connect({ url: "https://third.test", token: () => jwt({ sub: "ada" }), share: false });
    inbox.bell = bell;
    await settle();
    expect([opened().length, socket().url.host]).toEqual([1, "third.test"]);
    inbox.bell = undefined;
    inbox.token = undefined;
    await settle();
    expect([opened().length, inbox.bell]).toEqual([1, undefined]); // the page's bell stays open
    bell.close();
  });
});

it("shows the age of an item by the service's clock", async () => {
  const there = Date.now() + 7_200_000; // two hours ahead of the device
  const { part } = await showElement((inbox) => Object.assign(inbox, { url: URL_OF_SERVICE, inline: true, token: async () => jwt({ sub: "ada" }) }));
  const said: Frame = welcome("c1", { resumed: true, token_expires: new Date(there + 900_000).toISOString(), expires_in: 900 });
  await socket().receives(said, live("c2", 2));
  expect(part("time")[0]!.textContent).toBe("3 hours ago");
});
