import { beforeEach, describe, expect, it, vi } from "vitest";
import { List } from "../src/inbox/list.js";
import type { Frame } from "../src/types.js";
import { browser, live, open, pass, settled, socket, told, welcome } from "./stage.js";

// The service's inbox, the newest first, and what was asked of it.
let service: { id: string; read_at?: string; expires_at?: string; cursor?: string }[];
let asked: string[];
let answer: () => Response | undefined;
let limit: number; // of a page

beforeEach(() => {
  service = ["d", "c", "b", "a"].map((id) => ({ id }));
  asked = [];
  limit = 3;
  answer = () => undefined;
  browser.fetch.mockImplementation(async (url, { method = "GET", body }) => {
    asked.push(`${method} ${url.pathname.replace("/base", "")}${body ? ` ${body}` : url.search}`);
    const other = answer();
    if (other) return other;
    const before = Number(url.searchParams.get("before") ?? 0);
    const items = structuredClone(service.slice(before, before + limit));
    return Response.json({ items, unread_count: 2, cursor: "c9", next: before + limit < service.length ? `${before + limit}` : undefined });
  });
});

/** A list of a connection that is live. */
async function shown(data = {}) {
  const tab = await open({ share: false });
  const arrived: string[] = [];
  let changes = 0;
  const list = new List(tab.bell, () => changes++, ({ id }) => arrived.push(id));
  list.ensureLoaded();
  await socket().hears(welcome("c1", { resumed: true, ...data }), live("c1", 2));
  const ids = () => list.items.map(({ id, read_at }) => (read_at ? id : `${id}*`)).join(" "); // * is unread
  return { ...tab, list, ids, arrived, changes: () => changes };
}

const inbox = (data: object): Frame => ({ event: "inbox", cursor: "c5", data });

describe("the list", () => {
  it("is asked for when somebody looks, and the past is over", async () => {
    const tab = await open({ share: false });
    const list = new List(tab.bell, () => {}, () => {});
    await socket().hears(welcome("c1"), live("c1", 2), told("e", "c2"));
    expect([asked, list.items]).toEqual([[], []]);
    list.ensureLoaded();
    await settled();
    expect(asked).toEqual(["GET /inbox?limit=20"]);
    expect(list.items.length).toBe(3);
    list.close();
  });

  it("has more pages, of which it shows nothing twice", async () => {
    const { list, ids } = await shown();
    expect([ids(), list.next]).toEqual(["d* c* b*", "3"]);
    await socket().hears(told("e", "c2"));
    service.unshift({ id: "e" });
    await list.more();
    expect(ids()).toBe("e* d* c* b* a*");
    expect(list.next).toBeUndefined();
    list.close();
  });

  it("takes in what comes, newest first, and tells what is new", async () => {
    const { list, ids, arrived } = await shown();
    await socket().hears(told("e", "c2"), told("f", "c3", { replaces: "c" }), told("g", undefined, { ephemeral: true }), told("h", "c4", { archived_at: "…" }));
    expect(ids()).toBe("f* e* d* b*");
    expect(arrived).toEqual(["e", "f", "g", "h"]);
    list.close();
  });

  it("hears what other devices did", async () => {
    const { list, ids } = await shown();
    await socket().hears(inbox({ read: ["d", "c"], unread_count: 1 }));
    expect(ids()).toBe("d c b*");
    await socket().hears(inbox({ unread: ["d"], archived: ["c"], recalled: ["b"], unread_count: 1 }));
    expect(ids()).toBe("d*");
    list.close();
  });

  it("lets go at once of what a full inbox evicts, and asks for nothing", async () => {
    service = ["c", "b", "a"].map((id) => ({ id }));
    const { list, ids, bell } = await shown();
    const evicts = (id: string): Frame => ({ event: "inbox", data: { recalled: [id], unread_count: 3 } });
    await socket().hears(told("d", "c2"), evicts("a"));
    expect([ids(), bell.unreadCount]).toEqual(["d* c* b*", 3]);
    await socket().hears(told("e", "c3"), evicts("b"), evicts("never listed"));
    expect([ids(), bell.unreadCount, asked.length]).toEqual(["e* d* c*", 3, 1]);
    list.close();
  });

  it("is asked for anew when one is back from the archive", async () => {
    service = [{ id: "d" }];
    const { list, ids } = await shown();
    service = ["d", "c"].map((id) => ({ id }));
    await socket().hears(inbox({ unread: ["d"], unread_count: 2 }));
    expect([ids(), asked.length]).toEqual(["d*", 1]);
    await socket().hears(inbox({ unread: ["c"], unread_count: 2 }));
    expect([ids(), asked.length]).toEqual(["d* c*", 2]);
    list.close();
  });

  it("goes on after a break that was resumed, and is asked for anew after one that was not", async () => {
    const { list, ids, arrived } = await shown();
    await socket().ends(1006);
    await pass(250);
    await socket().hears(welcome("c1", { resumed: true }), told("e", "c2"), live("c2", 3));
    expect([ids(), asked.length, arrived]).toEqual(["e* d* c* b*", 1, []]);

    await socket().ends(1006);
    await pass(500);
    service = [{ id: "z" }];
    await socket().hears(welcome("d0", { resumed: false }), { event: "reset", cursor: "d0", data: { reason: "unknown" } }, told("z", "d1"));
    expect(ids()).toBe("e* d* c* b*"); // until there is something better
    await socket().hears(live("d1", 1));
    expect([ids(), asked.length]).toEqual(["z*", 2]);
    list.close();
  });

  it("is not asked for anew when a quiet connection says that it is live", async () => {
    const { list } = await shown();
    await socket().hears(live("c2", 2), live("c3", 2));
    expect(asked.length).toBe(1);
    list.close();
  });

  it("knows what it heard while a page was on its way", async () => {
    const { list, ids } = await shown();
    let arrives = (_: void) => {};
    const before = browser.fetch.getMockImplementation()!;
    browser.fetch.mockImplementation(async (...request) => {
      const page = await before(...request); // as of before
      await new Promise<void>((resolve) => (arrives = resolve));
      return page;
    });
    const loaded = list.load();
    await settled();
    await socket().hears(told("e", "c2"), inbox({ read: ["d"], unread_count: 2 }));
    arrives();
    await loaded;
    expect(ids()).toBe("e* d c* b*");
    list.close();
  });

  it("is asked for again after a break while a page was on its way", async () => {
    const { list, ids } = await shown();
    let arrives = (_: void) => {};
    const before = browser.fetch.getMockImplementation()!;
    browser.fetch.mockImplementationOnce(async (...request) => {
      const page = await before(...request);
      await new Promise<void>((resolve) => (arrives = resolve));
      return page;
    });
    const loaded = list.load();
    await settled();
    await socket().ends(1006);
    await pass(250);
    service = [{ id: "z" }];
    await socket().hears(welcome("d0", { resumed: false }), live("d0", 1));
    arrives();
    await loaded;
    await settled();
    expect(ids()).toBe("z*");
    list.close();
  });

  it("that could not be had is asked for on demand, not over and over", async () => {
    answer = () => new Response(null, { status: 503 });
    const { list, ids } = await shown();
    list.ensureLoaded();
    await settled();
    expect([list.failed, list.loaded, asked.length]).toEqual([true, false, 1]);
    answer = () => undefined;
    await list.more();
    expect([list.failed, ids()]).toEqual([false, "d* c* b*"]);
    list.close();
  });
});

describe("a list that cannot be loaded", () => {
  it("is asked for again by itself, with growing waits, while the connection is well", async () => {
    answer = () => new Response("", { status: 502 });
    const { list, ids } = await shown();
    list.ensureLoaded();
    await pass(60_000);
    expect(list.failed).toBe(true);
    expect(asked.length).toBeGreaterThan(4);
    expect(asked.length).toBeLessThan(30);
    answer = () => undefined;
    await pass(30_000);
    expect([list.failed, ids()]).toEqual([false, "d* c* b*"]);
    const before = asked.length;
    await pass(60_000);
    expect(asked.length).toBe(before);
    list.close();
  });

  it("is not asked for once it is closed", async () => {
    answer = () => new Response("", { status: 502 });
    const { list } = await shown();
    list.close();
    const before = asked.length;
    await pass(60_000);
    expect(asked.length).toBe(before);
  });
});

describe("what the user marks", () => {
  it("shows at once and goes to the service", async () => {
    const { list, ids } = await shown();
    const marks = [list.mark("read", ["d"]), list.mark("archive", ["c"])];
    expect(ids()).toBe("d b*");
    await Promise.all(marks);
    await list.mark("unread", ["d"]);
    expect(ids()).toBe("d* b*");
    expect(asked.slice(1)).toEqual(['POST /inbox/read {"ids":["d"]}', 'POST /inbox/archive {"ids":["c"]}', 'POST /inbox/unread {"ids":["d"]}']);
    list.close();
  });

  it("may be all that has come", async () => {
    const { list, ids } = await shown();
    await list.mark("read");
    expect(ids()).toBe("d c b");
    expect(asked.at(-1)).toBe('POST /inbox/read {"through":"c1"}');
    list.close();
  });

  it("stays marked until the service has it, also on pages that come before", async () => {
    const { list, ids } = await shown();
    answer = () => (asked.at(-1)!.startsWith("POST") ? new Response(null, { status: 503 }) : undefined);
    void list.mark("read", ["d"]);
    await list.load();
    expect(ids()).toBe("d c* b*");
    answer = () => undefined;
    await pass(60_000);
    expect(asked.at(-1)).toBe('POST /inbox/read {"ids":["d"]}');
    list.close();
  });

  it("that was refused is taken back by itself, though the list cannot be loaded at first", async () => {
    const { list, ids } = await shown();
    const answers = [502, 502, 422].map((status) => new Response(null, { status }));
    answer = () => answers.pop();
    await list.mark("archive", ["d"]);
    expect([list.failed, ids()]).toEqual([true, "c* b*"]);
    await pass(60_000);
    expect([list.failed, ids()]).toEqual([false, "d* c* b*"]);
    list.close();
  });

  it("is as the service has it if it was refused", async () => {
    const { list, ids } = await shown();
    const answers = [new Response(null, { status: 422 })];
    answer = () => answers.pop();
    await list.mark("archive", ["d"]);
    expect(ids()).toBe("d* c* b*");
    list.close();
  });
});

describe("what expires", () => {
  const at = (ms: number) => new Date(Date.now() + ms).toISOString();

  it("goes in its time", async () => {
    service = [{ id: "b", expires_at: at(60_000) }, { id: "a", expires_at: at(2 ** 31 + 60_000), read_at: "…" }];
    const { bell, list, ids } = await shown();
    await pass(59_999);
    expect(ids()).toBe("b* a");
    await pass(1);
    expect(ids()).toBe("a");
    bell.close();
    await pass(2 ** 31 - 1);
    expect(ids()).toBe("a");
    await pass(1);
    expect(ids()).toBe("");
    expect(asked.length).toBe(1);
    list.close();
  });
});

describe("the device's clock", () => {
  for (const hours of [-2, 2]) {
    it(`may be ${hours} h off: what expires goes by the service's time`, async () => {
      const there = Date.now();
      service = [{ id: "b", expires_at: new Date(there + 3_600_000).toISOString() }, { id: "a" }];
      vi.setSystemTime(there + hours * 3_600_000);
      const { list, ids } = await shown({ token_expires: new Date(there + 900_000).toISOString(), expires_in: 900 });
      await pass(3_599_000);
      expect(ids()).toBe("b* a*");
      vi.setSystemTime(there - hours * 3_600_000); // and is set meanwhile
      await pass(1_000);
      expect(ids()).toBe("a*");
      list.close();
    });
  }
});

describe("what there is no more room for", () => {
  it("leaves the list when the service counts without it, and what is shown stays shown", async () => {
    service = ["f", "e", "d", "c", "b", "a"].map((id) => ({ id }));
    const { list, ids } = await shown();
    await list.more();
    expect(ids()).toBe("f* e* d* c* b* a*");
    limit = 20;
    service = ["g", "f", "e", "d", "c", "b"].map((id) => ({ id }));
    await socket().hears(told("g", "c2"), inbox({ unread_count: 6 }));
    expect(ids()).toBe("g* f* e* d* c* b*");
    await list.mark("read", ["b"]);
    await socket().hears(inbox({ unread_count: 5 }), inbox({ unread_count: 7 }));
    expect(asked.filter((request) => request.startsWith("GET")).length).toBe(3);
    list.close();
  });
});

it("a list that was closed hears nothing", async () => {
  const { list, ids, changes } = await shown();
  list.close();
  const before = changes();
  await socket().hears(told("e", "c2"), inbox({ recalled: ["d"] }));
  expect([ids(), changes()]).toEqual(["d* c* b*", before]);
});
