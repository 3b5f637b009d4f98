// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import "../src/inbox/index.js";
import { matches, parseTabs } from "../src/inbox/filter.js";
import type { Frame } from "../src/types.js";
import { advance, browser, jwt, live, notification, settle, socket, welcome } from "./fakes.js";

interface Item {
  id: string;
  type: string;
  priority: string;
  topic?: string;
  read_at?: string;
}

let service: Item[]; // newest first
let requests: string[];
let refuse: (path: string) => boolean;
let posted: [string, unknown][];

/** Shows or hides the element on the screen. */
let onScreen: (shown: boolean) => Promise<void>;

beforeEach(() => {
  const item = (id: string, type: string, more = {}) => ({ id, type, title: id, time: "2026-12-01T09:00:00.000Z", priority: "normal", ...more });
  service = [item("m2", "mention.task"), item("c1", "comment", { priority: "high" }), item("m1", "mention.doc"), item("p1", "build", { topic: "project.7" })];
  requests = [];
  posted = [];
  refuse = () => false;
  browser.fetch.mockImplementation(async (url, { body }) => {
    const path = decodeURIComponent(url.pathname.replace("/base", "") + url.search);
    if (refuse(path)) return new Response(null, { status: 503 });
    if (body) {
      posted.push([path, JSON.parse(String(body))]);
      return Response.json({});
    }
    requests.push(path);
    const all = (name: string) => (url.searchParams.has(name) ? url.searchParams.getAll(name) : undefined);
    const filter = { type: all("type"), topic: all("topic"), priority: all("priority") as "high"[] | undefined };
    let items = service.filter((one) => matches(filter, one as never));
    const unread = items.filter(({ read_at }) => !read_at);
    if (url.searchParams.get("state") === "unread") items = unread;
    const by = Object.fromEntries(unread.map(({ type }) => [type, { unread: unread.filter((one) => one.type === type).length, unseen: 0 }]));
    return Response.json({ items, by, unread_count: unread.length, unseen_count: 0, cursor: "c9" });
  });
  const callbacks: ((entries: object[]) => void)[] = [];
  vi.stubGlobal("IntersectionObserver", class {
    constructor(callback: (entries: object[]) => void) {
      callbacks.push(callback);
    }
    observe() {}
  });
  onScreen = async (isIntersecting) => {
    for (const callback of callbacks) callback([{ isIntersecting }]);
    await settle();
  };
});

afterEach(async () => {
  document.body.replaceChildren();
  await settle();
});

const TABS = [
  { label: "Mentions", type: "mention.*" },
  { label: "Project", topic: "project.7" },
];

/** Shows an inline element with these tabs. */
async function show(tabs: unknown = TABS) {
  const inbox = document.createElement("bellhop-inbox");
  Object.assign(inbox, { url: "https://bell.test/base", inline: true, token: async () => jwt({ sub: "ada" }), tabs });
  document.body.append(inbox);
  await settle();
  await socket().receives(welcome("c1", { resumed: true }), live("c1", 4));
  const part = (name: string) => [...inbox.shadowRoot!.querySelectorAll<HTMLElement>(`[part~="${name}"]:not([hidden])`)];
  const texts = () => part("tab").map((tab) => [...tab.children].slice(0, 2).map(({ textContent }) => textContent).join(" ").trim());
  const titles = () => part("item-title").map(({ textContent }) => textContent);
  const key = async (key: string) => {
    inbox.shadowRoot!.activeElement!.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    await settle();
  };
  return { inbox, part, texts, titles, key };
}

const inboxEvent = (data: object): Frame => ({ event: "inbox", cursor: "c5", data });

describe("tabs", () => {
  it("list parts of the inbox, with their unread counts", async () => {
    const { part, texts, titles } = await show();
    expect(texts()).toEqual(["All 4", "Mentions 2", "Project 1"]);
    expect(titles()).toEqual(["m2", "c1", "m1", "p1"]);
    part("tab")[1]!.click();
    await settle();
    expect(titles()).toEqual(["m2", "m1"]);
    expect(requests).toEqual(["/inbox?limit=20", "/inbox/counts?by=type", "/inbox/counts?topic=project.7", "/inbox?limit=20&type=mention.*"]);
    part("tab")[0]!.click();
    part("tab")[1]!.click();
    await settle();
    expect([titles(), requests.length]).toEqual([["m2", "m1"], 4]); // the lists are kept
  });

  it("receive the notifications that they select", async () => {
    const { part, texts, titles } = await show();
    for (const at of [1, 2, 0]) {
      part("tab")[at]!.click();
      await settle();
    }
    const before = requests.length;
    await socket().receives(notification("n1", "c2", { type: "mention.doc", title: "n1", time: "2026-12-01T09:00:00.000Z" }));
    expect([titles()[0], texts()[0]]).toEqual(["n1", "All 5"]);
    part("tab")[1]!.click();
    await settle();
    expect(titles()).toEqual(["n1", "m2", "m1"]);
    part("tab")[2]!.click();
    await settle();
    expect([titles(), requests.length]).toEqual([["p1"], before]);
    service.unshift({ ...service[0]!, id: "n1", type: "mention.doc" });
    await advance(1_000); // the counts, at most once per second
    expect([texts(), requests.length]).toEqual([["All 5", "Mentions 3", "Project 1"], before + 2]);
  });

  it("ask the service about a notification to several topics", async () => {
    const { part, titles } = await show();
    part("tab")[2]!.click();
    await settle();
    const both = { ...service[0]!, id: "n1", title: "n1", type: "build", topic: "project.7" };
    service.unshift(both);
    await socket().receives(notification("n1", "c2", { ...both, topic: "project.1" }));
    expect(titles()).toEqual(["n1", "p1"]);
  });

  it("show marks in all tabs, and mark what the selected one lists", async () => {
    const { inbox, part, texts } = await show();
    const marks: unknown[] = [];
    inbox.addEventListener("bellhop-mark", ({ detail }) => marks.push(detail));
    part("tab")[1]!.click();
    await settle();
    service.splice(3, 0, { ...service[0]!, id: "m0" }); // is not loaded
    part("read-all")[0]!.click();
    await settle();
    expect(marks).toEqual([{ verb: "read", ids: undefined, filter: { type: "mention.*" } }]);
    expect(posted).toEqual([["/inbox/read", { ids: ["m2", "m1"] }], ["/inbox/read", { ids: ["m2", "m1", "m0"] }]]);
    expect(part("read-all").length).toBe(1); // the service has not sent the new counts
    part("tab")[0]!.click();
    await settle();
    expect(part("unread").map((row) => row.dataset.id)).toEqual(["c1", "p1"]);
    service = service.map((one) => ({ ...one, read_at: "…" }));
    await socket().receives(inboxEvent({ read: ["m2", "m1", "m0"], unread_count: 2 }));
    await advance(1_000);
    expect(texts()).toEqual(["All 2", "Mentions", "Project"]);
  });

  it("are operated by arrow keys, and Tab reaches the selected one", async () => {
    const { inbox, part, key } = await show();
    const focus = () => part("tab").indexOf(inbox.shadowRoot!.activeElement as HTMLElement);
    const state = () => part("tab").map((tab) => [tab.getAttribute("aria-selected"), tab.tabIndex].join());
    part("tab")[0]!.focus();
    for (const [name, to] of [["ArrowRight", 1], ["ArrowRight", 2], ["ArrowRight", 0], ["ArrowLeft", 2], ["Home", 0], ["End", 2]] as const) {
      await key(name);
      expect(focus(), name).toBe(to);
    }
    expect(state()).toEqual(["false,-1", "false,-1", "true,0"]);
    const panel = part("content")[0]!;
    expect([panel.getAttribute("role"), panel.getAttribute("aria-labelledby"), part("tab")[2]!.getAttribute("aria-controls")]).toEqual(["tabpanel", "tab-2", panel.id]);
    inbox.dir = "rtl";
    vi.stubGlobal("getComputedStyle", () => ({ direction: "rtl" }));
    await key("ArrowLeft");
    expect(focus()).toBe(0);
  });

  it("keep focus and selection with other labels, and the connection and lists with equal tabs", async () => {
    const { inbox, part, texts, titles } = await show();
    part("tab")[1]!.click();
    part("tab")[1]!.focus();
    await settle();
    const before = requests.length;
    inbox.tabs = structuredClone(TABS);
    inbox.setAttribute("tabs", ` ${JSON.stringify(TABS)}`);
    await settle();
    expect(requests.length).toBe(before);
    inbox.labels = { all: "Alle", title: "Mitteilungen" };
    inbox.tabs = [{ label: "Erwähnungen", type: "mention.*" }];
    await advance(1_000);
    expect([texts(), titles()]).toEqual([["Alle 4", "Erwähnungen 2"], ["m2", "m1"]]);
    expect(inbox.shadowRoot!.activeElement).toBe(part("tab")[1]);
    inbox.tabs = [];
    await settle();
    expect([texts(), titles(), inbox.getAttribute("tabs")]).toEqual([[], ["m2", "c1", "m1", "p1"], "[]"]);
    expect(part("content")[0]!.hasAttribute("role")).toBe(false);
  });

  it("repeat a count that failed", async () => {
    refuse = (path) => path.startsWith("/inbox/counts");
    const { texts } = await show();
    expect(texts()).toEqual(["All 4", "Mentions", "Project"]);
    await advance(10_000);
    refuse = () => false;
    await advance(30_000);
    expect(texts()).toEqual(["All 4", "Mentions 2", "Project 1"]);
    const before = requests.length;
    await advance(60_000);
    expect(requests.length).toBe(before);
  });

  for (const [name, text, problem] of [
    ["are not JSON", "[{", "JSON"],
    ["are not a list", '{"label": "A"}', "not a list"],
    ["have no label", '[{"type": "a"}]', 'tab 1: label cannot be ""'],
    ["have an unknown member", '[{"label": "A"}, {"label": "B", "types": "a"}]', 'tab 2: types cannot be "a"'],
    ["have an invalid pattern", '[{"label": "A", "type": "a*"}]', 'tab 1: type cannot be "a*"'],
    ["have an unknown priority", '[{"label": "A", "priority": ["high", "urgent"]}]', 'tab 1: priority cannot be ["high","urgent"]'],
    ["are null", "[null]", "tab 1"],
  ] as const) {
    it(`that ${name} are reported on the console, and there are none`, async () => {
      const { texts, titles } = await show(text);
      expect([texts(), titles().length]).toEqual([[], 4]);
      expect(browser.console.length).toBe(1);
      expect(browser.console.flat().map(String).join(" ")).toContain(problem);
    });
  }
});

describe("a filter", () => {
  const of = (type: string, more = {}) => ({ type, priority: "normal" as const, ...more });

  it("selects by type, topic and priority as the service does", () => {
    expect([matches({}, of("a")), matches({ type: [] }, of("a")), matches({ type: "a" }, of("b"))]).toEqual([true, true, false]);
    expect(["comment.created", "comment.a.b", "comment", "commentary.x"].map((type) => matches({ type: "comment.*" }, of(type)))).toEqual([true, true, false, false]);
    expect(matches({ type: ["x", "y"], priority: ["low", "normal"] }, of("y"))).toBe(true);
    expect(matches({ type: "y", priority: "high" }, of("y"))).toBe(false);
    expect([of("a"), of("a", { topic: "project.7" }), of("a", { topic: "news" })].map((one) => matches({ topic: "project.*" }, one))).toEqual([false, true, undefined]);
    expect(matches({ type: "b", topic: "project.*" }, of("a", { topic: "news" }))).toBe(false);
  });

  it("of tabs may have lists of values", () => {
    const tabs = [{ label: "A", type: ["a", "b.*"], topic: "plan:7.*", priority: "high" }];
    expect(parseTabs(JSON.stringify(tabs))).toEqual(tabs);
    expect(parseTabs(null)).toEqual([]);
  });
});

describe("seen", () => {
  const counts = (unread_count: number, unseen_count: number) => inboxEvent({ unread_count, unseen_count });

  it("is everything that has arrived, in batches, also of later notifications", async () => {
    const { part } = await show([]);
    expect(posted).toEqual([]);
    await onScreen(true);
    expect(posted).toEqual([["/inbox/seen", { through: "c1" }]]);
    expect(part("unread").length).toBe(4);
    const arrives = (id: string) => socket().receives(notification(id, "c2", { type: "x", time: "2026-12-01T09:00:00.000Z" }));
    await arrives("n1");
    await arrives("n2");
    expect(posted.length).toBe(1);
    await advance(1_000);
    expect(posted.slice(1)).toEqual([["/inbox/seen", { through: "c2" }]]);
    await advance(1_000);
    await onScreen(false);
    await arrives("n3");
    await advance(5_000);
    expect(posted.length).toBe(2);
  });

  it("in a tab is what the tab lists", async () => {
    const { part } = await show();
    part("tab")[1]!.click();
    await settle();
    await onScreen(true);
    expect(posted).toEqual([["/inbox/seen", { ids: ["m2", "m1"] }]]);
  });

  it("is not repeated if the service refuses it", async () => {
    await show([]);
    let times = 0;
    const before = browser.fetch.getMockImplementation()!;
    browser.fetch.mockImplementation(async (url, init) => (url.pathname.endsWith("seen") ? (times++, new Response(null, { status: 422 })) : before(url, init)));
    await onScreen(true);
    await advance(60_000);
    expect(times).toBe(1);
  });

  it("is waited for while the page is hidden", async () => {
    vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    await show([]);
    await onScreen(true);
    expect(posted).toEqual([]);
    vi.spyOn(document, "hidden", "get").mockReturnValue(false);
    document.dispatchEvent(new Event("visibilitychange"));
    await settle();
    expect(posted.length).toBe(1);
  });

  it("by another device, the badge and the badge of the app count the rest", async () => {
    const badges: unknown[] = [];
    Object.assign(navigator, { setAppBadge: async (n: number) => badges.push(n), clearAppBadge: async () => badges.push("clear") });
    const inbox = document.createElement("bellhop-inbox");
    Object.assign(inbox, { url: "https://bell.test/base", token: async () => jwt({ sub: "ada" }) });
    const unseen: number[] = [];
    inbox.addEventListener("bellhop-unseen", (event) => (unseen.push(event.detail), event.detail === 3 && event.preventDefault()));
    document.body.append(inbox);
    await settle();
    expect(badges).toEqual([]); // the last page's badge stays until the count is known
    await socket().receives(welcome("c1"), { event: "live", cursor: "c2", data: { unread_count: 4, unseen_count: 2 } });
    const bell = inbox.shadowRoot!.querySelector("[part=bell]")!;
    expect([bell.querySelector("[part=badge]")!.textContent, bell.textContent]).toEqual(["2", "Notifications 22 new"]);
    await socket().receives(counts(4, 3), counts(4, 0), counts(4, 1));
    expect([unseen, badges]).toEqual([[2, 1], [2, 1]]); // one update for all changes of a task
    await socket().receives(counts(4, 3));
    await socket().receives(counts(4, 0));
    expect([unseen, badges]).toEqual([[2, 1, 3, 0], [2, 1, "clear"]]);
    expect(bell.textContent).toBe("Notifications ");
  });

  const badges: Record<string, () => Promise<void> | undefined> = {
    throws: () => {
      throw new DOMException("no", "SecurityError");
    },
    rejects: () => Promise.reject(new DOMException("no", "InvalidStateError")),
    "returns nothing": () => undefined,
  };
  for (const [name, badge] of Object.entries(badges)) {
    it(`does no harm if the app's badge ${name}`, async () => {
      Object.assign(navigator, { setAppBadge: badge, clearAppBadge: badge });
      await show([]);
      await socket().receives(counts(4, 3));
      await socket().receives(counts(4, 0));
      expect([...browser.errors, ...browser.console]).toEqual([]);
    });
  }
});
