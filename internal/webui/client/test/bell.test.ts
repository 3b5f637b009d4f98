import { describe, expect, it } from "vitest";
import { browser, live, open, pass, settled, socket, told, welcome } from "./stage.js";

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
});

describe("for await", () => {
  it("yields each notification once, until close", async () => {
    const { bell } = await alone();
    const got: string[] = [];
    const loop = (async () => {
      for await (const { id } of bell) got.push(id);
      got.push("end");
    })();
    await socket().hears(welcome("c1"), told("a", "c2"), told("b", "c3"));
    await socket().ends(1006);
    await pass(250);
    await socket().hears(welcome("c3"), told("b", "c3"), told("c", "c4"));
    expect(got).toEqual(["a", "b", "c"]);
    bell.close();
    await loop;
    expect(got.at(-1)).toBe("end");
  });

  it("has handled one when it asks for the next", async () => {
    const { bell } = await alone({ storage: browser.storage });
    let go = () => {};
    void (async () => {
      for await (const _ of bell) await new Promise<void>((resolve) => (go = resolve));
    })();
    await socket().hears(welcome("c1"), told("a", "c2"), told("b", "c3"));
    expect(stored()).toBe("c1");
    go();
    await settled();
    expect(stored()).toBe("c2");
    go();
    await settled();
    expect(stored()).toBe("c3");
  });

  it("holds up nothing once it was left", async () => {
    const { bell } = await alone({ storage: browser.storage });
    const loop = (async () => {
      for await (const { id } of bell) if (id === "a") break;
    })();
    await socket().hears(welcome("c1"), told("a", "c2"), told("b", "c3"));
    await loop;
    await socket().hears(told("c", "c4"));
    expect(stored()).toBe("c4");
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
});
