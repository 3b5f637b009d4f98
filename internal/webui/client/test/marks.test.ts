import { beforeEach, describe, expect, it, vi } from "vitest";
import { browser, setOnline, jwt, live, open, advance, settle, socket, tokens, welcome } from "./fakes.js";

let posted: unknown[];
let answer: () => Response;

beforeEach(() => {
  posted = [];
  answer = () => Response.json({ unread_count: 0 });
  browser.fetch.mockImplementation(async (url, { method, body, keepalive }) => {
    if (method !== "POST" || !keepalive) throw new TypeError(`${method} ${url}`);
    posted.push([url.pathname, JSON.parse(String(body))]);
    return answer();
  });
});

async function connected(options = {}) {
  const tab = await open(options);
  if (browser.onLine && socket()) await socket().receives(welcome("c1"), live("c2"));
  return tab;
}

const KEY = "bellhop/1 https://bell.test/base/ ada marks";
const storedMarks = () => [...browser.storage.items].flatMap(([key, text]) => (key.startsWith(`${KEY} `) ? [JSON.parse(text)] : []));

describe("marks", () => {
  it("are posted with the token, in order", async () => {
    const { token, nth } = tokens();
    const { bell } = await connected({ token });
    await Promise.all([bell.seen(["a", "b"]), bell.read("a"), bell.unread(["a"]), bell.archive(["a", "b"]), bell.seenAll(), bell.readAll(), bell.archiveAll()]);
    expect(posted).toEqual([
      ["/base/inbox/seen", { ids: ["a", "b"] }],
      ["/base/inbox/read", { ids: ["a"] }],
      ["/base/inbox/unread", { ids: ["a"] }],
      ["/base/inbox/archive", { ids: ["a", "b"] }],
      ["/base/inbox/seen", { through: "c2" }],
      ["/base/inbox/read", { through: "c2" }],
      ["/base/inbox/archive", { through: "c2" }],
    ]);
    expect(browser.fetch.mock.lastCall![1].headers).toEqual({ Authorization: `Bearer ${nth(1)}`, "Content-Type": "application/json" });
    expect(storedMarks()).toEqual([]);
  });

  it("are posted in requests of 100", async () => {
    const { bell } = await connected();
    await bell.read(Array.from({ length: 250 }, (_, i) => `n${i}`));
    expect(posted.map((request: any) => request[1].ids.length)).toEqual([100, 100, 50]);
  });

  it("of everything have no cursor before the first event", async () => {
    const { bell } = await open();
    await bell.readAll();
    expect(posted).toEqual([["/base/inbox/read", { all: true }]]);
  });

  it("wait while offline, and apply to what had arrived by then", async () => {
    const { bell } = await connected();
    await setOnline(false);
    let done = false;
    void bell.seenAll();
    void bell.readAll().then(() => (done = true));
    void bell.read("a");
    await advance(60_000);
    expect([posted, done, storedMarks().length]).toEqual([[], false, 3]);
    await setOnline(true);
    expect(posted).toEqual([["/base/inbox/seen", { through: "c2" }], ["/base/inbox/read", { through: "c2" }], ["/base/inbox/read", { ids: ["a"] }]]);
    expect([done, storedMarks()]).toEqual([true, []]);
  });

  it("are delivered by the next page", async () => {
    const { bell } = await connected();
    await setOnline(false);
    void bell.read("a");
    bell.close();
    await setOnline(true);
    expect(posted).toEqual([]);
    await open();
    expect(posted).toEqual([["/base/inbox/read", { ids: ["a"] }]]);
  });

  it("made after close() wait for the next page", async () => {
    const { bell } = await connected();
    bell.close();
    void bell.read("a");
    await settle();
    expect([posted, storedMarks().length, browser.storage.items.has("undefined")]).toEqual([[], 1, false]);
    await open();
    expect(posted).toEqual([["/base/inbox/read", { ids: ["a"] }]]);
  });

  it("of one user are not delivered with the token of another", async () => {
    const { bell } = await connected();
    await setOnline(false);
    void bell.read("a");
    bell.close();
    await setOnline(true);
    await open({ token: tokens("grace").token });
    expect(posted).toEqual([]);
  });

  it("stored by an earlier page stay with their user if the first token was another user's", async () => {
    const { bell } = await connected();
    await setOnline(false);
    void bell.readAll();
    bell.close();
    const [ada, grace] = [jwt({ sub: "ada" }), jwt({ sub: "grace" })];
    const answers = [ada];
    const next = await open({ token: () => answers.shift() ?? grace });
    void next.bell.read("x");
    browser.fetch.mockImplementation(async (_, { headers, body }) => {
      if (JSON.stringify(headers).includes(ada)) return new Response(null, { status: 401 });
      if (body) posted.push(JSON.parse(String(body)));
      return Response.json({});
    });
    await setOnline(true);
    await socket().receives(welcome("c1"), live("c2"));
    await advance(60_000);
    expect([posted, storedMarks()]).toMatchObject([[{ ids: ["x"] }], [{ which: { through: "c2" } }]]);
  });

  it("made before the service confirms the user are stored in order if an earlier page confirmed the user", async () => {
    (await connected()).bell.close();
    await setOnline(false);
    const { bell } = await open();
    void bell.read("a");
    bell.close();
    const second = await open();
    void second.bell.read("b");
    await setOnline(true);
    expect(posted).toEqual([["/base/inbox/read", { ids: ["a"] }], ["/base/inbox/read", { ids: ["b"] }]]);
  });

  it("are retried when the service cannot store them", async () => {
    const { token, freshArguments } = tokens();
    const { bell } = await connected({ token });
    const statuses = [503, 429, 401, 401];
    answer = () => (statuses.length ? new Response(null, { status: statuses.shift()! }) : Response.json({}));
    const read = bell.read("a");
    await settle();
    for (const half of [250, 500, 1_000]) {
      const before = posted.length;
      await advance(half - 1);
      expect(posted.length).toBe(before);
      await advance(1);
      expect(posted.length).toBe(before + (half === 500 ? 2 : 1)); // after 401, immediately with a new token
    }
    await read;
    expect(posted.length).toBe(5);
    expect(freshArguments).toEqual([false, true, true]);
  });

  it("wait for a login while no user is logged in, without calls of token()", async () => {
    const answers = [jwt({ sub: "ada" }), null, null];
    let asked = 0;
    const { bell } = await connected({ token: () => (asked++, answers.length ? answers.shift()! : jwt({ sub: "ada" })) });
    await socket().closes(4401, "token-expired");
    await advance(1_000);
    expect([bell.state, asked]).toEqual(["closed", 2]);
    const read = bell.read("a");
    await advance(600_000);
    expect([bell.state, asked, posted]).toEqual(["closed", 2, []]);
    bell.open();
    await settle();
    expect([bell.state, asked]).toEqual(["closed", 3]);
    bell.open();
    await read;
    expect(posted).toEqual([["/base/inbox/read", { ids: ["a"] }]]);
  });

  it("that are refused reject and are not repeated", async () => {
    const { bell } = await connected();
    answer = () => new Response(null, { status: 422 });
    await expect(bell.read("a")).rejects.toThrow("read: 422");
    answer = () => Response.json({});
    await bell.read("b");
    expect(posted.length).toBe(2);
  });

  it("of two tabs are delivered once, and both resolve", async () => {
    const a = await connected();
    const b = await open();
    await setOnline(false);
    const both = Promise.all([a.bell.read("a"), b.bell.read("b")]);
    await setOnline(true);
    await both;
    await settle();
    expect(posted).toEqual([["/base/inbox/read", { ids: ["a"] }], ["/base/inbox/read", { ids: ["b"] }]]);
  });

  it("have keys of their own, so that tabs do not overwrite each other's", async () => {
    const a = await connected();
    const b = await open();
    await setOnline(false);
    const both = Promise.all([a.bell.read("a"), b.bell.read("b")]);
    const keys = [...browser.storage.items.keys()].filter((key) => key.startsWith(`${KEY} `));
    expect(keys.length).toBe(2);
    const written = vi.spyOn(browser.storage, "setItem");
    const removed = vi.spyOn(browser.storage, "removeItem");
    await setOnline(true);
    await both;
    expect(written.mock.calls.filter(([key]) => key.startsWith(KEY))).toEqual([]);
    expect(removed.mock.calls.map(([key]) => key)).toEqual(keys);
  });

  it("of a user whose name begins in the same way stay stored", async () => {
    const { bell } = await connected({ token: tokens("ada marks 000000001").token });
    await setOnline(false);
    void bell.read("a");
    bell.close();
    await setOnline(true);
    await (await connected()).bell.read("b");
    expect(posted).toEqual([["/base/inbox/read", { ids: ["b"] }]]);
    expect([...browser.storage.items.keys()].filter((key) => key.startsWith(`${KEY} 000000001 marks 000000001 `)).length).toBe(1);
  });

  it("stored by an earlier version are delivered first, in their order", async () => {
    const old = ["read", "unread", "archive"].map((verb, i) => ({ id: `${9 - i}-1-2-3`, verb, which: { ids: ["a"] } }));
    browser.storage.items.set(KEY, JSON.stringify(old));
    browser.network = false;
    const { bell } = await open();
    void bell.read("b");
    await settle();
    browser.network = true;
    await advance(60_000);
    expect(posted.map((request: any) => request[0])).toEqual(["/base/inbox/read", "/base/inbox/unread", "/base/inbox/archive", "/base/inbox/read"]);
    expect([storedMarks(), browser.storage.items.get(KEY)]).toEqual([[], "[]"]);
  });

  for (const text of ["{}", "null", "7", "not JSON", "[]", '{"id":"x","verb":"read","which":{"ids":["z"]}}']) {
    it(`are delivered if another key of theirs holds ${text}`, async () => {
      browser.storage.items.set(`${KEY} 000000001 1-2`, text);
      const { bell } = await connected();
      await bell.read("a");
      await advance(60_000);
      expect(posted.at(-1)).toEqual(["/base/inbox/read", { ids: ["a"] }]);
      expect(posted.length).toBeLessThan(3);
    });
  }

  for (const [what, storage] of Object.entries({
    denied: { getItem: () => { throw new DOMException("denied"); } },
    full: { getItem: () => null, setItem: () => { throw new DOMException("full"); } },
  })) {
    it(`are kept in memory if the storage is ${what}`, async () => {
      Object.defineProperty(globalThis, "localStorage", { value: storage, configurable: true, writable: true });
      const { bell } = await connected();
      await setOnline(false);
      const both = Promise.all([bell.read("a"), bell.read("b")]);
      await setOnline(true);
      await both;
      expect(posted.length).toBe(2);
    });
  }
});
