import { beforeEach, describe, expect, it, vi } from "vitest";
import { List } from "../src/inbox/list.js";
import type { Frame } from "../src/types.js";
import { browser, live, open, advance, settle, socket, notification, welcome } from "./fakes.js";

// The inbox of the service, newest first, and the requests received.
let service: { id: string; read_at?: string; expires_at?: string; cursor?: string }[];
let requests: string[];
let answer: () => Response | undefined;
let limit: number; // of a page

beforeEach(() => {
  service = ["d", "c", "b"].map((id) => ({ id }));
  requests = [];
  limit = 20;
  answer = () => undefined;
  browser.fetch.mockImplementation(async (url, { method = "GET", body }) => {
    requests.push(`${method} ${url.pathname.replace("/base", "")}${body ? ` ${body}` : url.search}`);
    const other = answer();
    if (other) return other;
    const before = Number(url.searchParams.get("before") ?? 0);
    const items = structuredClone(service.slice(before, before + limit));
    return Response.json({ items, unread_count: 2, cursor: "c9", next: before + limit < service.length ? `${before + limit}` : undefined });
  });
});

/** Returns a loaded list on a live connection. */
async function loadedList(data = {}) {
  const tab = await open({ share: false });
  const arrived: string[] = [];
  let changes = 0;
  const list = new List(tab.bell, () => changes++, ({ id }) => arrived.push(id));
  list.ensureLoaded();
  await socket().receives(welcome("c1", { resumed: true, ...data }), live("c1", 2));
  const ids = () => list.items.map(({ id, read_at }) => (read_at ? id : `${id}*`)).join(" "); // * is unread
  return { ...tab, list, ids, arrived, changes: () => changes };
}

const inbox = (data: object): Frame => ({ event: "inbox", cursor: "c5", data });

describe("the list", () => {
  it("is loaded when it is visible and the connection is live", async () => {
    const tab = await open({ share: false });
    const list = new List(tab.bell, () => {}, () => {});
    await socket().receives(welcome("c1"), live("c1", 2), notification("e", "c2"));
    expect([requests, list.items]).toEqual([[], []]);
    list.ensureLoaded();
    await settle();
    expect(requests).toEqual(["GET /inbox?limit=20"]);
    expect(list.items.length).toBe(3);
    list.close();
  });

  it("loads further pages without duplicates", async () => {
    service = Array.from({ length: 22 }, (_, i) => ({ id: `n${22 - i}` }));
    const { list, ids } = await loadedList();
    expect([list.items.length, list.next]).toEqual([20, "20"]);
    await socket().receives(notification("e", "c2"));
    service.unshift({ id: "e" });
    await list.more();
    expect(ids()).toMatch(/^e\* n22\* .* n2\* n1\*$/);
    expect([list.items.length, list.next]).toEqual([23, undefined]);
    list.close();
  });

  it("is filled from the next page when items of the first page are removed", async () => {
    service = Array.from({ length: 50 }, (_, i) => ({ id: `n${50 - i}` }));
    const { list, ids } = await loadedList();
    const shown = () => list.items.map(({ id }) => Number(id.slice(1)));
    expect(shown()).toEqual(Array.from({ length: 20 }, (_, i) => 50 - i));
    await socket().receives(inbox({ archived: ["n50"], unread_count: 49 }), inbox({ recalled: ["n48"], unread_count: 48 }));
    expect([shown().length, shown().at(-1), requests]).toEqual([38, 11, ["GET /inbox?limit=20", "GET /inbox?limit=20&before=20"]]);
    await socket().receives(inbox({ archived: shown().slice(0, 18).map((n) => `n${n}`), unread_count: 30 }));
    expect([shown().length, requests.length]).toEqual([20, 2]); // another page is not needed yet
    await socket().receives(inbox({ archived: list.items.slice(1).map(({ id }) => id), unread_count: 11 }));
    expect([ids().split(" ").length, list.next]).toEqual([11, undefined]);
    list.close();
  });

  it("is filled only while it is visible, and again after a failure", async () => {
    service = Array.from({ length: 25 }, (_, i) => ({ id: `n${25 - i}` }));
    const { list } = await loadedList();
    list.visible = false;
    await socket().receives(inbox({ archived: ["n25"], unread_count: 24 }));
    expect([list.items.length, requests.length]).toEqual([19, 1]);
    answer = () => new Response(null, { status: 503 });
    list.ensureLoaded();
    await settle();
    expect([list.items.length, list.failed]).toEqual([19, true]);
    answer = () => undefined;
    await advance(60_000);
    expect([list.items.length, list.failed, list.next]).toEqual([24, false, undefined]);
    list.close();
  });

  it("adds notifications at the top, and reports the new ones", async () => {
    const { list, ids, arrived } = await loadedList();
    await socket().receives(notification("e", "c2"), notification("f", "c3", { replaces: "c" }), notification("g", undefined, { ephemeral: true }), notification("h", "c4", { archived_at: "…" }));
    expect(ids()).toBe("f* e* d* b*");
    expect(arrived).toEqual(["e", "f", "g", "h"]);
    list.close();
  });

  it("follows changes made on other devices", async () => {
    const { list, ids } = await loadedList();
    await socket().receives(inbox({ read: ["d", "c"], unread_count: 1 }));
    expect(ids()).toBe("d c b*");
    await socket().receives(inbox({ unread: ["d"], archived: ["c"], recalled: ["b"], unread_count: 1 }));
    expect(ids()).toBe("d*");
    list.close();
  });

  it("removes evicted items immediately, without a request", async () => {
    service = ["c", "b", "a"].map((id) => ({ id }));
    const { list, ids, bell } = await loadedList();
    const evicts = (id: string): Frame => ({ event: "inbox", data: { recalled: [id], unread_count: 3 } });
    await socket().receives(notification("d", "c2"), evicts("a"));
    expect([ids(), bell.unreadCount]).toEqual(["d* c* b*", 3]);
    await socket().receives(notification("e", "c3"), evicts("b"), evicts("never listed"));
    expect([ids(), bell.unreadCount, requests.length]).toEqual(["e* d* c*", 3, 1]);
    list.close();
  });

  it("is loaded again when an item returns from the archive", async () => {
    service = [{ id: "d" }];
    const { list, ids } = await loadedList();
    service = ["d", "c"].map((id) => ({ id }));
    await socket().receives(inbox({ unread: ["d"], unread_count: 2 }));
    expect([ids(), requests.length]).toEqual(["d*", 1]);
    await socket().receives(inbox({ unread: ["c"], unread_count: 2 }));
    expect([ids(), requests.length]).toEqual(["d* c*", 2]);
    list.close();
  });

  it("is kept after a resumed connection, and loaded again after one that was not resumed", async () => {
    const { list, ids, arrived } = await loadedList();
    await socket().closes(1006);
    await advance(250);
    await socket().receives(welcome("c1", { resumed: true }), notification("e", "c2"), live("c2", 3));
    expect([ids(), requests.length, arrived]).toEqual(["e* d* c* b*", 1, []]);

    await socket().closes(1006);
    await advance(500);
    service = [{ id: "z" }];
    await socket().receives(welcome("d0", { resumed: false }), { event: "reset", cursor: "d0", data: { reason: "unknown" } }, notification("z", "d1"));
    expect(ids()).toBe("e* d* c* b*"); // kept until the new list is loaded
    await socket().receives(live("d1", 1));
    expect([ids(), requests.length]).toEqual(["z*", 2]);
    list.close();
  });

  it("is not loaded again by a further live event", async () => {
    const { list } = await loadedList();
    await socket().receives(live("c2", 2), live("c3", 2));
    expect(requests.length).toBe(1);
    list.close();
  });

  it("includes changes that arrive while a page is loading", async () => {
    const { list, ids } = await loadedList();
    let respond = (_: void) => {};
    const before = browser.fetch.getMockImplementation()!;
    browser.fetch.mockImplementation(async (...request) => {
      const page = await before(...request); // does not contain the later changes
      await new Promise<void>((resolve) => (respond = resolve));
      return page;
    });
    const loaded = list.load();
    await settle();
    await socket().receives(notification("e", "c2"), inbox({ read: ["d"], unread_count: 3 }));
    respond();
    await loaded;
    expect(ids()).toBe("e* d c* b*");
    list.close();
  });

  it("is loaded again after changes, while a page is loading, of which only the service knows the effect", async () => {
    const tab = await open({ share: false });
    service = [{ id: "b" }];
    const list = new List(tab.bell, () => {}, () => {}, { topic: "project.7" });
    list.ensureLoaded();
    let respond = (_: void) => {};
    const before = browser.fetch.getMockImplementation()!;
    const changes = [notification("c", "c2", { topic: "project.1" }), inbox({ unread: ["a"], unread_count: 3 }), inbox({ unread_count: 2 })];
    for (const [listed, change] of [["c b", changes[0]!], ["c b a", changes[1]!], ["c b", changes[2]!]] as const) {
      browser.fetch.mockImplementationOnce(async (...request) => {
        const page = await before(...request); // from before the change
        await new Promise<void>((resolve) => (respond = resolve));
        return page;
      });
      if (change === changes[0]) await socket().receives(welcome("c1"), live("c1", 1));
      else void list.load();
      await settle();
      service = listed.split(" ").map((id) => ({ id }));
      await socket().receives(change);
      respond();
      await settle();
      expect(list.items.map(({ id }) => id).join(" ")).toBe(listed);
    }
    list.close();
  });

  it("is loaded again if the connection was lost while a page was loading", async () => {
    const { list, ids } = await loadedList();
    let respond = (_: void) => {};
    const before = browser.fetch.getMockImplementation()!;
    browser.fetch.mockImplementationOnce(async (...request) => {
      const page = await before(...request);
      await new Promise<void>((resolve) => (respond = resolve));
      return page;
    });
    const loaded = list.load();
    await settle();
    await socket().closes(1006);
    await advance(250);
    service = [{ id: "z" }];
    await socket().receives(welcome("d0", { resumed: false }), live("d0", 1));
    respond();
    await loaded;
    await settle();
    expect(ids()).toBe("z*");
    list.close();
  });

  it("is loaded again on demand after a failure, not in a loop", async () => {
    answer = () => new Response(null, { status: 503 });
    const { list, ids } = await loadedList();
    list.ensureLoaded();
    await settle();
    expect([list.failed, list.loaded, requests.length]).toEqual([true, false, 1]);
    answer = () => undefined;
    await list.more();
    expect([list.failed, ids()]).toEqual([false, "d* c* b*"]);
    list.close();
  });
});

describe("a list that cannot be loaded", () => {
  it("is retried with growing waits while the connection stays open", async () => {
    answer = () => new Response("", { status: 502 });
    const { list, ids } = await loadedList();
    list.ensureLoaded();
    await advance(60_000);
    expect(list.failed).toBe(true);
    expect(requests.length).toBeGreaterThan(4);
    expect(requests.length).toBeLessThan(30);
    answer = () => undefined;
    await advance(30_000);
    expect([list.failed, ids()]).toEqual([false, "d* c* b*"]);
    const before = requests.length;
    await advance(60_000);
    expect(requests.length).toBe(before);
    list.close();
  });

  it("is not retried after close()", async () => {
    answer = () => new Response("", { status: 502 });
    const { list } = await loadedList();
    list.close();
    const before = requests.length;
    await advance(60_000);
    expect(requests.length).toBe(before);
  });
});

describe("a mark", () => {
  it("shows immediately and is sent to the service", async () => {
    const { list, ids } = await loadedList();
    const marks = [list.mark("read", ["d"]), list.mark("archive", ["c"])];
    expect(ids()).toBe("d b*");
    await Promise.all(marks);
    await list.mark("unread", ["d"]);
    expect(ids()).toBe("d* b*");
    expect(requests.slice(1)).toEqual(['POST /inbox/read {"ids":["d"]}', 'POST /inbox/archive {"ids":["c"]}', 'POST /inbox/unread {"ids":["d"]}']);
    list.close();
  });

  it("may apply to everything received", async () => {
    const { list, ids } = await loadedList();
    await list.mark("read");
    expect(ids()).toBe("d c b");
    expect(requests.at(-1)).toBe('POST /inbox/read {"through":"c1"}');
    list.close();
  });

  it("stays visible until the service has stored it, even if a page is loaded before", async () => {
    const { list, ids } = await loadedList();
    answer = () => (requests.at(-1)!.startsWith("POST") ? new Response(null, { status: 503 }) : undefined);
    void list.mark("read", ["d"]);
    await list.load();
    expect(ids()).toBe("d c* b*");
    answer = () => undefined;
    await advance(60_000);
    expect(requests.slice(-2)).toEqual(['POST /inbox/read {"ids":["d"]}', "GET /inbox?limit=20"]);
    list.close();
  });

  it("does not hide a later mark of another device that a page loaded meanwhile already has", async () => {
    const { list, ids } = await loadedList();
    let store = (_: Response) => {};
    const before = browser.fetch.getMockImplementation()!;
    browser.fetch.mockImplementationOnce(() => new Promise((resolve) => (store = resolve)));
    const marked = list.mark("read", ["d"]);
    await socket().receives(inbox({ read: ["d"], unread_count: 2 }), inbox({ unread: ["d"], unread_count: 3 }));
    expect(ids()).toBe("d* c* b*");
    browser.fetch.mockImplementation(before);
    await list.load(); // shows the mark, which the service may not have stored yet
    expect(ids()).toBe("d c* b*");
    store(Response.json({}));
    await marked;
    await settle();
    expect(ids()).toBe("d* c* b*");
    list.close();
  });

  it("that was refused is undone, even if the list cannot be loaded at first", async () => {
    const { list, ids } = await loadedList();
    const answers = [502, 502, 422].map((status) => new Response(null, { status }));
    answer = () => answers.pop();
    await list.mark("archive", ["d"]);
    expect([list.failed, ids()]).toEqual([true, "c* b*"]);
    await advance(60_000);
    expect([list.failed, ids()]).toEqual([false, "d* c* b*"]);
    list.close();
  });

  it("that was refused is undone by loading the list again", async () => {
    const { list, ids } = await loadedList();
    const answers = [new Response(null, { status: 422 })];
    answer = () => answers.pop();
    await list.mark("archive", ["d"]);
    expect(ids()).toBe("d* c* b*");
    list.close();
  });
});

describe("an item that expires", () => {
  const at = (ms: number) => new Date(Date.now() + ms).toISOString();

  it("is removed at its expiry", async () => {
    service = [{ id: "b", expires_at: at(60_000) }, { id: "a", expires_at: at(2 ** 31 + 60_000), read_at: "…" }];
    const { bell, list, ids } = await loadedList();
    await advance(59_999);
    expect(ids()).toBe("b* a");
    await advance(1);
    expect(ids()).toBe("a");
    bell.close();
    await advance(2 ** 31 - 1);
    expect(ids()).toBe("a");
    await advance(1);
    expect(ids()).toBe("");
    expect(requests.length).toBe(1);
    list.close();
  });
});

describe("the device's clock", () => {
  for (const hours of [-2, 2]) {
    it(`may be ${hours} h off: items expire by the service's time`, async () => {
      const there = Date.now();
      service = [{ id: "b", expires_at: new Date(there + 3_600_000).toISOString() }, { id: "a" }];
      vi.setSystemTime(there + hours * 3_600_000);
      const { list, ids } = await loadedList({ token_expires: new Date(there + 900_000).toISOString(), expires_in: 900 });
      await advance(3_599_000);
      expect(ids()).toBe("b* a*");
      vi.setSystemTime(there - hours * 3_600_000); // and changes meanwhile
      await advance(1_000);
      expect(ids()).toBe("a*");
      list.close();
    });
  }
});

describe("an evicted item", () => {
  it("leaves the list when the service's count excludes it, and the other items stay", async () => {
    service = ["f", "e", "d", "c", "b", "a"].map((id) => ({ id }));
    const { list, ids } = await loadedList();
    expect(ids()).toBe("f* e* d* c* b* a*");
    service = ["g", "f", "e", "d", "c", "b"].map((id) => ({ id }));
    await socket().receives(notification("g", "c2"), inbox({ unread_count: 6 }));
    expect(ids()).toBe("g* f* e* d* c* b*");
    await list.mark("read", ["b"]);
    await socket().receives(inbox({ unread_count: 5 }), inbox({ unread_count: 7 }));
    expect(requests.filter((request) => request.startsWith("GET")).length).toBe(2);
    list.close();
  });
});

it("a closed list ignores events", async () => {
  const { list, ids, changes } = await loadedList();
  list.close();
  const before = changes();
  await socket().receives(notification("e", "c2"), inbox({ recalled: ["d"] }));
  expect([ids(), changes()]).toEqual(["d* c* b*", before]);
});
