import { describe, expect, it } from "vitest";
import { browser, FakeSocket, jwt, live, open, opened, pass, settled, socket, told, tokens, welcome } from "./stage.js";

const alone = (options = {}) => open({ share: false, ...options });
const stored = () => browser.storage.items.get("bellhop/1 https://bell.test/base/ ada cursor");

describe("handlers", () => {
  it("hear until they are taken off, and ignore what they do not know", async () => {
    const { bell, ids } = await alone();
    const some: string[] = [];
    const off = bell.on("notification", ({ id }) => some.push(id));
    await socket().hears(welcome("c1"), live("c2"), told("a", "c3"), { event: "novelty", cursor: "c4", data: 1 });
    off();
    await socket().hears(told("b", "c5"));
    expect(some).toEqual(["a"]);
    expect(ids()).toEqual(["a", "b"]);
  });

  it("that fail keep nothing from the others", async () => {
    const { bell, ids } = await alone();
    bell.on("notification", () => {
      throw new Error("broken");
    });
    bell.on("notification", () => Promise.reject(new Error("broken later")));
    await socket().hears(welcome("c1"), told("a", "c2"), told("b", "c3"));
    expect(ids()).toEqual(["a", "b"]);
    expect(browser.errors.length).toBe(4);
  });

  it("hear no repeat, but the cursor moves past it", async () => {
    const { ids } = await alone({ storage: browser.storage });
    await socket().hears(welcome("c1"), told("a", "c2"), told("a", "c3"));
    expect(ids()).toEqual(["a"]);
    expect(stored()).toBe("c3");
  });

  it("hear of a repeat after a thousand others", async () => {
    const { ids } = await alone();
    await socket().hears(welcome("c1"), told("a"), ...Array.from({ length: 1000 }, (_, i) => told(`n${i}`)), told("a"));
    expect(ids().filter((id) => id === "a").length).toBe(2);
  });
});

describe("the cursor", () => {
  it("is stored once its frame was handled, in order", async () => {
    const { bell } = await alone({ storage: browser.storage });
    const done: (() => void)[] = [];
    bell.on("notification", () => new Promise<void>((resolve) => done.push(resolve)));
    await socket().hears(welcome("c1"), told("a", "c2"), told("b", "c3"), live("c4"));
    expect(stored()).toBe("c1");
    done[1]!();
    await settled();
    expect(stored()).toBe("c1");
    done[0]!();
    await settled();
    expect(stored()).toBe("c4");
  });

  it("of the page goes before the one that is stored", async () => {
    const { bell } = await alone({ storage: browser.storage });
    await socket().hears(welcome("c1"));
    bell.close();
    await alone({ storage: browser.storage });
    expect(socket().cursor).toBe("c1");
    await alone({ storage: browser.storage, cursor: "c9" });
    expect(socket().cursor).toBe("c9");
  });

  it("is stored on when a handler fails, also where there is no reportError", async () => {
    delete (globalThis as { reportError?: unknown }).reportError;
    const { bell } = await alone({ storage: browser.storage });
    bell.on("notification", () => {
      throw new Error("broken");
    });
    await socket().hears(welcome("c1"), told("a", "c2"));
    expect(stored()).toBe("c2");
    expect(browser.console).toEqual([[new Error("broken")]]);
  });

  for (const [what, value] of Object.entries({ object: {}, number: 7, promise: Promise.resolve("c9"), empty: "", giant: "c".repeat(100_000) })) {
    it(`that is stored is ignored if it is none of ours: ${what}`, async () => {
      await alone({ storage: { getItem: () => value as string, setItem: () => {} } });
      expect(socket().cursor).toBe(null);
    });
  }

  it("need not be readable: neither the storage nor what is in it", async () => {
    const denied = () => {
      throw new DOMException("denied", "SecurityError");
    };
    for (const options of [{ storage: { getItem: denied, setItem: denied } }, { get storage() { return denied(); } }]) {
      const { ids } = await open(Object.defineProperties({ share: false }, Object.getOwnPropertyDescriptors(options)));
      await socket().hears(welcome("c1"), told("a", "c2"), told("b", "c3"));
      expect(ids()).toEqual(["a", "b"]);
    }
  });

  it("need not be storable", async () => {
    const storage = { getItem: () => null, setItem: () => { throw new DOMException("full", "QuotaExceededError"); } };
    const { ids } = await alone({ storage });
    await socket().hears(welcome("c1"), told("a", "c2"), told("b", "c3"));
    expect(ids()).toEqual(["a", "b"]);
  });
});

describe("the unread count", () => {
  it("is as the service says, and counts what is new", async () => {
    const { bell } = await alone({ cursor: "c0" });
    expect(bell.unreadCount).toBeUndefined();
    await socket().hears(welcome("c0"), told("a", "c1"));
    expect(bell.unreadCount).toBeUndefined();
    await socket().hears(live("c2", 3), told("b", "c3"), told("b", "c3"), told("ephemeral", undefined, { ephemeral: true }));
    expect(bell.unreadCount).toBe(4);
    await socket().hears({ event: "inbox", cursor: "c4", data: { read: ["a", "b"], unread_count: 2 } });
    expect(bell.unreadCount).toBe(2);
    await socket().hears(live("c5"), { event: "live", cursor: "c6", data: {} });
    expect(bell.unreadCount).toBe(0);
  });

  it("of what replaces another, or was recalled, is told by the service", async () => {
    const { bell } = await alone();
    const count = (unread_count: number, data = {}) => ({ event: "inbox", cursor: "c9", data: { unread_count, ...data } });
    await socket().hears(welcome("c1"), live("c1"), told("a", "c2"));
    expect(bell.unreadCount).toBe(1);
    await socket().hears(told("b", "c3", { replaces: "a" }));
    expect(bell.unreadCount).toBe(1);
    await socket().hears(count(2), told("c", "c4"), count(1, { recalled: ["a", "b"] }));
    expect(bell.unreadCount).toBe(1);
  });

  it("is right at once when a full inbox evicts its oldest", async () => {
    const { bell } = await alone();
    const counts: (number | undefined)[] = [];
    bell.on("inbox", () => counts.push(bell.unreadCount));
    const evicts = (id: string, unread_count: number) => ({ event: "inbox", data: { recalled: [id], unread_count } });
    await socket().hears(welcome("c1"), live("c1", 3));
    await socket().hears(told("d", "c2"), evicts("a", 3), told("e", "c3"), evicts("b", 3));
    expect([counts, bell.unreadCount]).toEqual([[3, 3], 3]);
    await socket().ends(1006);
    await pass(500);
    expect(socket().cursor).toBe("c3");
  });
});

describe("the inbox", () => {
  const page = (unread_count: number, ...ids: string[]) => ({ items: ids.map((id) => ({ id, cursor: `at-${id}` })), unread_count, cursor: "c9", next: "n1" });

  it("is listed as the service has it, by page and state", async () => {
    const { token, nth } = tokens();
    const { bell } = await alone({ token });
    browser.fetch.mockImplementation(async () => Response.json(page(2, "b", "a")));
    expect(await bell.inbox()).toEqual(page(2, "b", "a"));
    await bell.inbox({ limit: 20, before: "n1", state: "unread" });
    const asked = browser.fetch.mock.calls.map(([url, init]) => [url.href, init.method, (init.headers as any).Authorization]);
    expect(asked).toEqual([
      ["https://bell.test/base/inbox", undefined, `Bearer ${nth(1)}`],
      ["https://bell.test/base/inbox?limit=20&before=n1&state=unread", undefined, `Bearer ${nth(1)}`],
    ]);
  });

  it("is asked for once more with a new token, and once only", async () => {
    const { token, asked } = tokens();
    const { bell } = await alone({ token });
    const statuses = [401, 200, 401, 401];
    browser.fetch.mockImplementation(async () => Response.json(page(0), { status: statuses.shift()! }));
    expect((await bell.inbox()).unread_count).toBe(0);
    await expect(bell.inbox()).rejects.toThrow("inbox: 401");
    expect(statuses).toEqual([]);
    expect(asked).toEqual([false, true, true]);
  });

  it("brings the unread count, in which what it lists is counted once", async () => {
    const { bell } = await alone();
    await socket().hears(welcome("c1"), live("c2", 1));
    browser.fetch.mockImplementation(async () => Response.json(page(2, "b", "a")));
    await bell.inbox();
    expect(bell.unreadCount).toBe(2);
    await socket().hears(told("b", "c3")); // was on its way
    expect(bell.unreadCount).toBe(2);
    await socket().hears(told("c", "c4"));
    expect(bell.unreadCount).toBe(3);
    browser.fetch.mockImplementation(async () => Response.json(page(9, "z")));
    await bell.inbox({ before: "n1" });
    expect(bell.unreadCount).toBe(3); // of a moment that may be long past
  });

  it("brings no unread count that was overtaken", async () => {
    const { bell } = await alone();
    await socket().hears(welcome("c1"), live("c2", 1));
    let answer = (_: Response) => {};
    browser.fetch.mockImplementation(() => new Promise((resolve) => (answer = resolve)));
    const listed = bell.inbox();
    await settled();
    await socket().hears({ event: "inbox", cursor: "c3", data: { read: ["a"], unread_count: 0 } });
    answer(Response.json(page(1, "a")));
    await listed;
    expect(bell.unreadCount).toBe(0);
    await socket().hears(told("a", "c4"));
    expect(bell.unreadCount).toBe(1);
  });
});

describe("close", () => {
  it("is for good, and silent", async () => {
    const { bell, ids, heard } = await alone();
    const first = socket();
    await first.hears(welcome("c1"));
    bell.close();
    expect(bell.state).toBe("closed");
    expect(first.open).toBe(false);
    await first.hears(told("late", "c2"));
    await pass(60_000);
    bell.open();
    await settled();
    expect(socket()).toBe(first);
    expect([ids(), heard.close]).toEqual([[], []]);
  });

  for (const share of [false, true]) {
    it(`leaves nothing that open() could revive, ${share ? "shared" : "alone"}`, async () => {
      const { bell } = await open({ share });
      await socket().hears(welcome("c1"), live("c2"));
      bell.close();
      bell.open();
      await pass(60_000);
      expect([FakeSocket.all.length, opened(), bell.state]).toEqual([1, [], "closed"]);
    });

    for (const state of ["connecting", "closed"]) {
      it(`holds when a handler calls it at ${state}, and is told once, ${share ? "shared" : "alone"}`, async () => {
        const answers = [jwt({ sub: "ada" }), null, jwt({ sub: "ada" })];
        const { bell, heard } = await open({ share, token: () => answers.shift()! });
        await socket().hears(welcome("c1"), live("c2"));
        bell.on("state", (status) => status.state === state && bell.close());
        await socket().ends(4401, "token-expired");
        await pass(60_000);
        bell.open();
        await pass(60_000);
        expect(opened()).toEqual([]);
        expect(heard.state!.filter(({ state }) => state === "closed").length).toBe(1);
      });
    }
  }
});
