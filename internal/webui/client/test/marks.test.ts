import { beforeEach, describe, expect, it } from "vitest";
import { browser, goes, jwt, live, open, pass, settled, socket, tokens, welcome } from "./stage.js";

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
  if (browser.onLine && socket()) await socket().hears(welcome("c1"), live("c2"));
  return tab;
}

const kept = () => JSON.parse(browser.storage.items.get("bellhop/1 https://bell.test/base/ ada marks") ?? "[]");

describe("marks", () => {
  it("are posted with the token, in order", async () => {
    const { token, nth } = tokens();
    const { bell } = await connected({ token });
    await Promise.all([bell.read("a"), bell.unread(["a"]), bell.archive(["a", "b"]), bell.readAll(), bell.archiveAll()]);
    expect(posted).toEqual([
      ["/base/inbox/read", { ids: ["a"] }],
      ["/base/inbox/unread", { ids: ["a"] }],
      ["/base/inbox/archive", { ids: ["a", "b"] }],
      ["/base/inbox/read", { through: "c2" }],
      ["/base/inbox/archive", { through: "c2" }],
    ]);
    expect(browser.fetch.mock.lastCall![1].headers).toEqual({ Authorization: `Bearer ${nth(1)}`, "Content-Type": "application/json" });
    expect(kept()).toEqual([]);
  });

  it("are posted by the hundred", async () => {
    const { bell } = await connected();
    await bell.read(Array.from({ length: 250 }, (_, i) => `n${i}`));
    expect(posted.map((request: any) => request[1].ids.length)).toEqual([100, 100, 50]);
  });

  it("of all mean all where nothing has come yet", async () => {
    const { bell } = await open();
    await bell.readAll();
    expect(posted).toEqual([["/base/inbox/read", { all: true }]]);
  });

  it("wait while offline, and mean what was there then", async () => {
    const { bell } = await connected();
    await goes(false);
    let done = false;
    void bell.readAll().then(() => (done = true));
    void bell.read("a");
    await pass(60_000);
    expect([posted, done, kept().length]).toEqual([[], false, 2]);
    await goes(true);
    expect(posted).toEqual([["/base/inbox/read", { through: "c2" }], ["/base/inbox/read", { ids: ["a"] }]]);
    expect([done, kept()]).toEqual([true, []]);
  });

  it("survive the page", async () => {
    const { bell } = await connected();
    await goes(false);
    void bell.read("a");
    bell.close();
    await goes(true);
    expect(posted).toEqual([]);
    await open();
    expect(posted).toEqual([["/base/inbox/read", { ids: ["a"] }]]);
  });

  it("made after close wait for the next page too", async () => {
    const { bell } = await connected();
    bell.close();
    void bell.read("a");
    await settled();
    expect([posted, kept().length, browser.storage.items.has("undefined")]).toEqual([[], 1, false]);
    await open();
    expect(posted).toEqual([["/base/inbox/read", { ids: ["a"] }]]);
  });

  it("of one user are not delivered for another", async () => {
    const { bell } = await connected();
    await goes(false);
    void bell.read("a");
    bell.close();
    await goes(true);
    await open({ token: tokens("grace").token });
    expect(posted).toEqual([]);
  });

  it("that an earlier page of a user has stored stay that user's, if the first token turns out to be a wrong one", async () => {
    const { bell } = await connected();
    await goes(false);
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
    await goes(true);
    await socket().hears(welcome("c1"), live("c2"));
    await pass(60_000);
    expect([posted, kept()]).toMatchObject([[{ ids: ["x"] }], [{ which: { through: "c2" } }]]);
  });

  it("made before the user is known are kept in order, for one whom an earlier page knew", async () => {
    (await connected()).bell.close();
    await goes(false);
    const { bell } = await open();
    void bell.read("a");
    bell.close();
    const second = await open();
    void second.bell.read("b");
    await goes(true);
    expect(posted).toEqual([["/base/inbox/read", { ids: ["a"] }], ["/base/inbox/read", { ids: ["b"] }]]);
  });

  it("are tried again when the service could not take them", async () => {
    const { token, asked } = tokens();
    const { bell } = await connected({ token });
    const statuses = [503, 429, 401, 401];
    answer = () => (statuses.length ? new Response(null, { status: statuses.shift()! }) : Response.json({}));
    const read = bell.read("a");
    await settled();
    for (const half of [250, 500, 1_000]) {
      const before = posted.length;
      await pass(half - 1);
      expect(posted.length).toBe(before);
      await pass(1);
      expect(posted.length).toBe(before + (half === 500 ? 2 : 1)); // the 401 with a new token at once
    }
    await read;
    expect(posted.length).toBe(5);
    expect(asked).toEqual([false, true, true]);
  });

  it("wait for a login while nobody is logged in, without asking for tokens", async () => {
    const answers = [jwt({ sub: "ada" }), null, null];
    let asked = 0;
    const { bell } = await connected({ token: () => (asked++, answers.length ? answers.shift()! : jwt({ sub: "ada" })) });
    await socket().ends(4401, "token-expired");
    await pass(1_000);
    expect([bell.state, asked]).toEqual(["closed", 2]);
    const read = bell.read("a");
    await pass(600_000);
    expect([bell.state, asked, posted]).toEqual(["closed", 2, []]);
    bell.open();
    await settled();
    expect([bell.state, asked]).toEqual(["closed", 3]);
    bell.open();
    await read;
    expect(posted).toEqual([["/base/inbox/read", { ids: ["a"] }]]);
  });

  it("that are refused are told and not repeated", async () => {
    const { bell } = await connected();
    answer = () => new Response(null, { status: 422 });
    await expect(bell.read("a")).rejects.toThrow("read: 422");
    answer = () => Response.json({});
    await bell.read("b");
    expect(posted.length).toBe(2);
  });

  it("of two tabs are delivered once, and both are told", async () => {
    const a = await connected();
    const b = await open();
    await goes(false);
    const both = Promise.all([a.bell.read("a"), b.bell.read("b")]);
    await goes(true);
    await both;
    await settled();
    expect(posted).toEqual([["/base/inbox/read", { ids: ["a"] }], ["/base/inbox/read", { ids: ["b"] }]]);
  });

  for (const [what, storage] of Object.entries({
    denied: { getItem: () => { throw new DOMException("denied"); } },
    full: { getItem: () => null, setItem: () => { throw new DOMException("full"); } },
  })) {
    it(`last as long as the page where storage is ${what}`, async () => {
      Object.defineProperty(globalThis, "localStorage", { value: storage, configurable: true, writable: true });
      const { bell } = await connected();
      await goes(false);
      const both = Promise.all([bell.read("a"), bell.read("b")]);
      await goes(true);
      await both;
      expect(posted.length).toBe(2);
    });
  }
});
