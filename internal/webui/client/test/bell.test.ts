import { describe, expect, it } from "vitest";
import { browser, FakeSocket, jwt, live, open, opened, advance, settle, socket, notification, tokens, welcome } from "./fakes.js";

const openUnshared = (options = {}) => open({ share: false, ...options });
const storedCursor = () => browser.storage.items.get("bellhop/1 https://bell.test/base/ ada cursor");

describe("handlers", () => {
  it("receive events until they are removed, and no unknown events", async () => {
    const { bell, ids } = await openUnshared();
    const some: string[] = [];
    const off = bell.on("notification", ({ id }) => some.push(id));
    await socket().receives(welcome("c1"), live("c2"), notification("a", "c3"), { event: "novelty", cursor: "c4", data: 1 });
    off();
    await socket().receives(notification("b", "c5"));
    expect(some).toEqual(["a"]);
    expect(ids()).toEqual(["a", "b"]);
  });

  it("receive every event even if another handler fails", async () => {
    const { bell, ids } = await openUnshared();
    bell.on("notification", () => {
      throw new Error("broken");
    });
    bell.on("notification", () => Promise.reject(new Error("broken later")));
    await socket().receives(welcome("c1"), notification("a", "c2"), notification("b", "c3"));
    expect(ids()).toEqual(["a", "b"]);
    expect(browser.errors.length).toBe(4);
  });

  it("do not receive repeats, and the cursor moves past them", async () => {
    const { ids } = await openUnshared({ storage: browser.storage });
    await socket().receives(welcome("c1"), notification("a", "c2"), notification("a", "c3"));
    expect(ids()).toEqual(["a"]);
    expect(storedCursor()).toBe("c3");
  });

  it("receive a repeat that comes more than a thousand notifications later", async () => {
    const { ids } = await openUnshared();
    await socket().receives(welcome("c1"), notification("a"), ...Array.from({ length: 1000 }, (_, i) => notification(`n${i}`)), notification("a"));
    expect(ids().filter((id) => id === "a").length).toBe(2);
  });
});

describe("the cursor", () => {
  it("is stored after the handlers of its frame are done, in order", async () => {
    const { bell } = await openUnshared({ storage: browser.storage });
    const done: (() => void)[] = [];
    bell.on("notification", () => new Promise<void>((resolve) => done.push(resolve)));
    await socket().receives(welcome("c1"), notification("a", "c2"), notification("b", "c3"), live("c4"));
    expect(storedCursor()).toBe("c1");
    done[1]!();
    await settle();
    expect(storedCursor()).toBe("c1");
    done[0]!();
    await settle();
    expect(storedCursor()).toBe("c4");
  });

  it("given by the page takes precedence over the stored one", async () => {
    const { bell } = await openUnshared({ storage: browser.storage });
    await socket().receives(welcome("c1"));
    bell.close();
    await openUnshared({ storage: browser.storage });
    expect(socket().cursor).toBe("c1");
    await openUnshared({ storage: browser.storage, cursor: "c9" });
    expect(socket().cursor).toBe("c9");
  });

  it("is stored after a handler failed, even without reportError", async () => {
    delete (globalThis as { reportError?: unknown }).reportError;
    const { bell } = await openUnshared({ storage: browser.storage });
    bell.on("notification", () => {
      throw new Error("broken");
    });
    await socket().receives(welcome("c1"), notification("a", "c2"));
    expect(storedCursor()).toBe("c2");
    expect(browser.console).toEqual([[new Error("broken")]]);
  });

  for (const [what, value] of Object.entries({ object: {}, number: 7, promise: Promise.resolve("c9"), empty: "", giant: "c".repeat(100_000) })) {
    it(`is ignored if the stored value is not a cursor: ${what}`, async () => {
      await openUnshared({ storage: { getItem: () => value as string, setItem: () => {} } });
      expect(socket().cursor).toBe(null);
    });
  }

  it("is optional: the storage or its content may be unreadable", async () => {
    const denied = () => {
      throw new DOMException("denied", "SecurityError");
    };
    for (const options of [{ storage: { getItem: denied, setItem: denied } }, { get storage() { return denied(); } }]) {
      const { ids } = await open(Object.defineProperties({ share: false }, Object.getOwnPropertyDescriptors(options)));
      await socket().receives(welcome("c1"), notification("a", "c2"), notification("b", "c3"));
      expect(ids()).toEqual(["a", "b"]);
    }
  });

  it("is optional: the storage may be full", async () => {
    const storage = { getItem: () => null, setItem: () => { throw new DOMException("full", "QuotaExceededError"); } };
    const { ids } = await openUnshared({ storage });
    await socket().receives(welcome("c1"), notification("a", "c2"), notification("b", "c3"));
    expect(ids()).toEqual(["a", "b"]);
  });
});

describe("the unseen count", () => {
  const live2 = (unread_count: number, unseen_count: number) => ({ event: "live", cursor: "c2", data: { unread_count, unseen_count } });

  it("follows notifications and marks of all devices", async () => {
    const { bell } = await openUnshared();
    expect(bell.unseenCount).toBeUndefined();
    await socket().receives(welcome("c1"), notification("a", "c2"), live2(3, 1));
    expect([bell.unreadCount, bell.unseenCount]).toEqual([3, 1]);
    await socket().receives(notification("b", "c3"), notification("c", "c4", { seen_at: "…" }), notification("d", "c5", { read_at: "…", seen_at: "…" }));
    expect([bell.unreadCount, bell.unseenCount]).toEqual([5, 2]);
    await socket().receives({ event: "inbox", cursor: "c6", data: { seen: ["a", "b"], unread_count: 5, unseen_count: 0 } });
    expect([bell.unreadCount, bell.unseenCount]).toEqual([5, 0]);
    await socket().receives({ event: "inbox", cursor: "c7", data: { recalled: ["z"] } }); // without counts, the previous ones stay valid
    expect([bell.unreadCount, bell.unseenCount]).toEqual([5, 0]);
  });

  it("is known to a tab that joins", async () => {
    await open();
    await socket().receives(welcome("c1"), live2(3, 1));
    const { bell } = await open();
    expect([bell.unreadCount, bell.unseenCount]).toEqual([3, 1]);
  });

  it("is undefined if the service does not send it", async () => {
    const { bell } = await openUnshared();
    await socket().receives(welcome("c1"), live("c2", 1), notification("a", "c3"));
    expect([bell.unreadCount, bell.unseenCount]).toEqual([2, undefined]);
  });
});

describe("a filter", () => {
  const answerWith = (answer: object) => {
    const requests: string[] = [];
    browser.fetch.mockImplementation(async (url) => (requests.push(decodeURIComponent(url.pathname + url.search)), Response.json(answer)));
    return requests;
  };

  it("lists a part of the inbox, whose counts are not those of the inbox", async () => {
    const requests = answerWith({ items: [{ id: "a" }], unread_count: 1, unseen_count: 1, cursor: "c9" });
    const { bell } = await openUnshared();
    await socket().receives(welcome("c1"), { event: "live", cursor: "c2", data: { unread_count: 3, unseen_count: 2 } });
    const page = await bell.inbox({ type: ["comment.*", "mention"], topic: "project.7", priority: "high", limit: 5 });
    expect(requests).toEqual(["/base/inbox?type=comment.*&type=mention&topic=project.7&priority=high&limit=5"]);
    expect(page.items.map(({ id }) => id)).toEqual(["a"]);
    expect([bell.unreadCount, bell.unseenCount]).toEqual([3, 2]);
    await bell.inbox({ state: "archived" });
    expect([bell.unreadCount, bell.unseenCount]).toEqual([3, 2]);
    await bell.inbox({ type: [], priority: undefined }); // selects everything
    expect([bell.unreadCount, bell.unseenCount]).toEqual([1, 1]);
  });

  it("counts a part of the inbox", async () => {
    const counts = { unread_count: 4, unseen_count: 1, by: { "comment.created": { unread: 3, unseen: 1 }, mention: { unread: 1, unseen: 0 } } };
    const requests = answerWith(counts);
    const { bell } = await openUnshared();
    await socket().receives(welcome("c1"), live("c2", 9));
    expect(await bell.counts({ by: "type", topic: ["project.*"] })).toEqual(counts);
    await bell.counts();
    expect(requests).toEqual(["/base/inbox/counts?by=type&topic=project.*", "/base/inbox/counts"]);
    expect(bell.unreadCount).toBe(9);
    browser.fetch.mockImplementation(async () => new Response(null, { status: 400 }));
    await expect(bell.counts({ type: "a*b" })).rejects.toThrow("inbox/counts: 400");
  });
});

describe("the unread count", () => {
  it("is the service's count plus new notifications", async () => {
    const { bell } = await openUnshared({ cursor: "c0" });
    expect(bell.unreadCount).toBeUndefined();
    await socket().receives(welcome("c0"), notification("a", "c1"));
    expect(bell.unreadCount).toBeUndefined();
    await socket().receives(live("c2", 3), notification("b", "c3"), notification("b", "c3"), notification("ephemeral", undefined, { ephemeral: true }));
    expect(bell.unreadCount).toBe(4);
    await socket().receives({ event: "inbox", cursor: "c4", data: { read: ["a", "b"], unread_count: 2 } });
    expect(bell.unreadCount).toBe(2);
    await socket().receives(live("c5"), { event: "live", cursor: "c6", data: {} });
    expect(bell.unreadCount).toBe(0);
  });

  it("follows the service after replacements and recalls", async () => {
    const { bell } = await openUnshared();
    const count = (unread_count: number, data = {}) => ({ event: "inbox", cursor: "c9", data: { unread_count, ...data } });
    await socket().receives(welcome("c1"), live("c1"), notification("a", "c2"));
    expect(bell.unreadCount).toBe(1);
    await socket().receives(notification("b", "c3", { replaces: "a" }));
    expect(bell.unreadCount).toBe(1);
    await socket().receives(count(2), notification("c", "c4"), count(1, { recalled: ["a", "b"] }));
    expect(bell.unreadCount).toBe(1);
  });

  it("is correct immediately when a full inbox evicts its oldest notification", async () => {
    const { bell } = await openUnshared();
    const counts: (number | undefined)[] = [];
    bell.on("inbox", () => counts.push(bell.unreadCount));
    const evicts = (id: string, unread_count: number) => ({ event: "inbox", data: { recalled: [id], unread_count } });
    await socket().receives(welcome("c1"), live("c1", 3));
    await socket().receives(notification("d", "c2"), evicts("a", 3), notification("e", "c3"), evicts("b", 3));
    expect([counts, bell.unreadCount]).toEqual([[3, 3], 3]);
    await socket().closes(1006);
    await advance(500);
    expect(socket().cursor).toBe("c3");
  });
});

describe("the inbox", () => {
  const page = (unread_count: number, ...ids: string[]) => ({ items: ids.map((id) => ({ id, cursor: `at-${id}` })), unread_count, cursor: "c9", next: "n1" });

  it("is listed by page and state", async () => {
    const { token, nth } = tokens();
    const { bell } = await openUnshared({ token });
    browser.fetch.mockImplementation(async () => Response.json(page(2, "b", "a")));
    expect(await bell.inbox()).toEqual(page(2, "b", "a"));
    await bell.inbox({ limit: 20, before: "n1", state: "unread" });
    const freshArguments = browser.fetch.mock.calls.map(([url, init]) => [url.href, init.method, (init.headers as any).Authorization]);
    expect(freshArguments).toEqual([
      ["https://bell.test/base/inbox", undefined, `Bearer ${nth(1)}`],
      ["https://bell.test/base/inbox?limit=20&before=n1&state=unread", undefined, `Bearer ${nth(1)}`],
    ]);
  });

  it("is requested once more after 401, with a new token", async () => {
    const { token, freshArguments } = tokens();
    const { bell } = await openUnshared({ token });
    const statuses = [401, 200, 401, 401];
    browser.fetch.mockImplementation(async () => Response.json(page(0), { status: statuses.shift()! }));
    expect((await bell.inbox()).unread_count).toBe(0);
    await expect(bell.inbox()).rejects.toThrow("inbox: 401");
    expect(statuses).toEqual([]);
    expect(freshArguments).toEqual([false, true, true]);
  });

  it("sets the unread count, and a listed notification that arrives later is not counted twice", async () => {
    const { bell } = await openUnshared();
    await socket().receives(welcome("c1"), live("c2", 1));
    browser.fetch.mockImplementation(async () => Response.json(page(2, "b", "a")));
    await bell.inbox();
    expect(bell.unreadCount).toBe(2);
    await socket().receives(notification("b", "c3")); // sent before the list was requested
    expect(bell.unreadCount).toBe(2);
    await socket().receives(notification("c", "c4"));
    expect(bell.unreadCount).toBe(3);
    browser.fetch.mockImplementation(async () => Response.json(page(9, "z")));
    await bell.inbox({ before: "n1" });
    expect(bell.unreadCount).toBe(3); // the count of an older page may be outdated
  });

  it("does not set the unread count if an event arrived during the request", async () => {
    const { bell } = await openUnshared();
    await socket().receives(welcome("c1"), live("c2", 1));
    let answer = (_: Response) => {};
    browser.fetch.mockImplementation(() => new Promise((resolve) => (answer = resolve)));
    const listed = bell.inbox();
    await settle();
    await socket().receives({ event: "inbox", cursor: "c3", data: { read: ["a"], unread_count: 0 } });
    answer(Response.json(page(1, "a")));
    await listed;
    expect(bell.unreadCount).toBe(0);
    await socket().receives(notification("a", "c4"));
    expect(bell.unreadCount).toBe(1);
  });
});

describe("close", () => {
  it("is permanent and emits no further events", async () => {
    const { bell, ids, received } = await openUnshared();
    const first = socket();
    await first.receives(welcome("c1"));
    bell.close();
    expect(bell.state).toBe("closed");
    expect(first.open).toBe(false);
    await first.receives(notification("late", "c2"));
    await advance(60_000);
    bell.open();
    await settle();
    expect(socket()).toBe(first);
    expect([ids(), received.close]).toEqual([[], []]);
  });

  for (const share of [false, true]) {
    it(`makes open() ineffective, ${share ? "shared" : "not shared"}`, async () => {
      const { bell } = await open({ share });
      await socket().receives(welcome("c1"), live("c2"));
      bell.close();
      bell.open();
      await advance(60_000);
      expect([FakeSocket.all.length, opened(), bell.state]).toEqual([1, [], "closed"]);
    });

    for (const state of ["connecting", "closed"]) {
      it(`may be called by a handler at state ${state}, and is reported once, ${share ? "shared" : "not shared"}`, async () => {
        const answers = [jwt({ sub: "ada" }), null, jwt({ sub: "ada" })];
        const { bell, received } = await open({ share, token: () => answers.shift()! });
        await socket().receives(welcome("c1"), live("c2"));
        bell.on("state", (status) => status.state === state && bell.close());
        await socket().closes(4401, "token-expired");
        await advance(60_000);
        bell.open();
        await advance(60_000);
        expect(opened()).toEqual([]);
        expect(received.state!.filter(({ state }) => state === "closed").length).toBe(1);
      });
    }
  }
});
