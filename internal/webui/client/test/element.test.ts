// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connect } from "../src/index.js";
import { BellhopInbox } from "../src/inbox/index.js";
import type { Frame } from "../src/types.js";
import { browser, FakeSocket, jwt, live, opened, pass, settled, socket, welcome } from "./stage.js";

const URL_OF_SERVICE = "https://bell.test/base";
let lists = 0;
let unread = 2;
let next: string | undefined;

beforeEach(() => {
  lists = 0;
  next = undefined;
  const items = ["b", "a"].map((id) => ({ id, type: "test", title: id, priority: "high", time: new Date(Date.now() - 3_600_000).toISOString() }));
  browser.fetch.mockImplementation(async (url) => {
    if (url.pathname.endsWith("/inbox")) lists++;
    return Response.json({ items, unread_count: unread, cursor: "c9", next });
  });
});

afterEach(async () => {
  document.body.replaceChildren();
  await settled();
});

/** Tokens of a new function each, and how often one was called. */
function tokens() {
  let calls = 0;
  return { fresh: () => async () => (calls++, jwt({ sub: "ada", n: calls })), calls: () => calls };
}

/** Puts an element into the page as a framework does, and lets it connect. */
async function shown(set: (inbox: BellhopInbox) => void) {
  const inbox = document.createElement("bellhop-inbox");
  set(inbox);
  document.body.append(inbox);
  await settled();
  if (socket()) await socket().hears(welcome("c1", { resumed: true }), live("c1", 2));
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
    const { inbox, part, titles } = await shown((inbox) => render(inbox, fresh()));
    expect(titles()).toEqual(["b", "a"]);
    part("link")[1]!.focus();
    const focused = inbox.shadowRoot!.activeElement;
    expect(focused).toBe(part("link")[1]);
    const { bell } = inbox;
    for (let i = 0; i < 20; i++) {
      render(inbox, fresh());
      await settled();
    }
    expect([FakeSocket.all.length, calls(), lists]).toEqual([1, 1, 1]);
    expect([inbox.bell, inbox.shadowRoot!.activeElement]).toEqual([bell, focused]);
  });

  it("calls the newest token function the next time", async () => {
    const used: string[] = [];
    const named = (name: string) => async () => (used.push(name), jwt({ sub: "ada", name }));
    const { inbox } = await shown((inbox) => render(inbox, named("first")));
    inbox.token = named("second");
    await settled();
    expect(used).toEqual(["first"]);
    await socket().ends(4401, "token-expired");
    await pass(250);
    expect([used, opened().length]).toEqual([["first", "second"], 1]);
  });

  it("changes nothing by values that are equal", async () => {
    const { fresh } = tokens();
    const { inbox } = await shown((inbox) => render(inbox, fresh()));
    const names = ["url", "inline", "theme", "token", "bell", "labels"] as const;
    for (const name of names) Object.assign(inbox, { [name]: inbox[name] });
    Object.assign(inbox, { theme: undefined, url: URL_OF_SERVICE });
    await settled();
    expect([FakeSocket.all.length, opened().length, lists]).toEqual([1, 1, 1]);
    expect(inbox.getAttribute("theme")).toBe(null);
  });

  it("draws new labels, also those of rows that stay", async () => {
    const { fresh } = tokens();
    const { inbox, part } = await shown((inbox) => render(inbox, fresh()));
    inbox.labels = { high: "Wichtig", archive: "Ablegen: {}" };
    await settled();
    expect(part("priority").map(({ textContent }) => textContent)).toEqual(["Wichtig", "Wichtig"]);
    expect(part("action")[1]!.ariaLabel ?? part("action")[1]!.getAttribute("aria-label")).toBe("Ablegen: b");
    inbox.labels = undefined;
    await settled();
    expect(part("title")[0]!.textContent).toBe("Notifications");
  });

  it("keeps its connection when it is moved, and ends it when it is gone", async () => {
    const { fresh } = tokens();
    const { inbox } = await shown((inbox) => render(inbox, fresh()));
    const elsewhere = document.createElement("div");
    document.body.append(elsewhere);
    elsewhere.append(inbox);
    await settled();
    expect([FakeSocket.all.length, opened().length]).toEqual([1, 1]);
    inbox.remove();
    await settled();
    expect(opened()).toEqual([]);
    document.body.append(inbox); // as in React's StrictMode
    await settled();
    expect([FakeSocket.all.length, opened().length]).toEqual([2, 1]);
  });
});

describe("an element", () => {
  const settings = { url: URL_OF_SERVICE, inline: true, token: async () => jwt({ sub: "ada" }) };

  it("keeps the English text of a label that is given as undefined", async () => {
    const { part } = await shown((inbox) => Object.assign(inbox, settings, { labels: { title: undefined, high: "Wichtig" } }));
    expect([part("title")[0]!.textContent, part("priority")[0]?.textContent]).toEqual(["Notifications", "Wichtig"]);
  });

  for (const name of ["more", "read-all"]) {
    it(`keeps the focus when ${name} has nothing more to do and goes`, async () => {
      next = name === "more" ? "p2" : undefined;
      const { inbox, part } = await shown((inbox) => Object.assign(inbox, settings));
      const button = part(name)[0]!;
      button.focus();
      expect(inbox.shadowRoot!.activeElement).toBe(button);
      next = undefined;
      if (name === "more") button.click();
      else await socket().hears({ event: "inbox", cursor: "c2", data: { read: ["a", "b"], unread_count: 0 } });
      await settled();
      expect(button.hidden).toBe(true);
      expect(inbox.shadowRoot!.activeElement).toBe(part("link")[0]);
    });
  }
});

describe("an element's properties", () => {
  it("are its attributes too", async () => {
    const { inbox } = await shown((inbox) => Object.assign(inbox, { url: URL_OF_SERVICE, inline: true, theme: "dark", token: async () => jwt({ sub: "ada" }) }));
    expect(inbox.outerHTML).toContain(`url="${URL_OF_SERVICE}"`);
    expect([inbox.hasAttribute("inline"), inbox.getAttribute("theme"), opened().length]).toEqual([true, "dark", 1]);
    Object.assign(inbox, { url: null, inline: false });
    await settled();
    expect([inbox.hasAttribute("url"), inbox.hasAttribute("inline"), opened().length]).toEqual([false, false, 0]);
  });

  it("connect it anew where they name another service or connection, or take the token away", async () => {
    const { inbox } = await shown((inbox) => Object.assign(inbox, { url: URL_OF_SERVICE, inline: true, token: async () => jwt({ sub: "ada" }) }));
    inbox.url = "https://other.test";
    await settled();
    expect([opened().length, socket().url.host]).toEqual([1, "other.test"]);
    const bell = connect({ url: "https://third.test", token: () => jwt({ sub: "ada" }), share: false });
    inbox.bell = bell;
    await settled();
    expect([opened().length, socket().url.host]).toEqual([1, "third.test"]);
    inbox.bell = undefined;
    inbox.token = undefined;
    await settled();
    expect([opened().length, inbox.bell]).toEqual([1, undefined]); // the page's own
    bell.close();
  });
});

it("shows how long ago something was by the service's clock", async () => {
  const there = Date.now() + 7_200_000; // two hours ahead of the device
  const { part } = await shown((inbox) => Object.assign(inbox, { url: URL_OF_SERVICE, inline: true, token: async () => jwt({ sub: "ada" }) }));
  const said: Frame = welcome("c1", { resumed: true, token_expires: new Date(there + 900_000).toISOString(), expires_in: 900 });
  await socket().hears(said, live("c2", 2));
  expect(part("time")[0]!.textContent).toBe("3 hours ago");
});
