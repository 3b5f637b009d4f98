import { describe, expect, it, vi } from "vitest";
import { browser, FakeSocket, jwt, live, open, advance, settle, socket, tokens, welcome } from "./fakes.js";

const openUnshared = (options = {}) => open({ share: false, ...options });

/** Returns a token() that returns these answers in turn, then always the last one. */
function tokenSequence(...answers: (() => unknown)[]) {
  let calls = 0;
  return { token: () => answers[Math.min(calls++, answers.length - 1)]!() as string, calls: () => calls };
}

const good = () => jwt({ sub: "ada" });
const failures: Record<string, () => unknown> = {
  "an error page": () => "<!doctype html><title>502 Bad Gateway</title>",
  "nothing but white space": () => " \n",
  "an empty string": () => "",
  "an opaque token": () => "tGzv3JOkF0XG5Qx2TlKWIA",
  "text in the form of a JWT": () => "a.b.c",
  "an object": () => ({ token: good() }),
  "a number": () => 42,
  false: () => false,
  "an exception": () => {
    throw new TypeError("cannot read properties of undefined");
  },
  "a rejection": () => Promise.reject(new Error("down")),
  "a rejection without an Error": () => Promise.reject("down"),
};

describe("a call of token() fails if it returns", () => {
  for (const [what, answer] of Object.entries(failures)) {
    it(`${what}: it is called again, and the status has the reason`, async () => {
      const { token, calls } = tokenSequence(answer, answer, good);
      const { bell, received } = await openUnshared({ token });
      expect(received.state!.at(-1)).toMatchObject({ state: "waiting", wait: 250, reason: "token-failed", error: expect.any(Error) });
      expect(bell.state).toBe("waiting");
      await advance(250 + 500);
      expect([calls(), FakeSocket.all.length]).toEqual([3, 1]);
      await socket().receives(welcome("c1"), live("c2"));
      expect(received.state!.at(-1)).toEqual({ state: "open" });
      expect(browser.console.length).toBe(1);
    });
  }

  it("no answer within 30 s", async () => {
    const { token, calls } = tokenSequence(() => new Promise(() => {}), good);
    const { bell, received } = await openUnshared({ token });
    await advance(29_999);
    expect([bell.state, calls()]).toEqual(["connecting", 1]);
    await advance(1);
    expect(received.state!.at(-1)).toMatchObject({ state: "waiting", error: new Error("no answer within 30 s") });
    await advance(250);
    expect([calls(), FakeSocket.all.length]).toEqual([2, 1]);
  });
});

describe("token()", () => {
  it("may return a JWT with white space around it", async () => {
    await openUnshared({ token: () => `  ${good()}\r\n` });
    expect(socket().protocols[1]).toBe(`bearer.${good()}`);
  });

  for (const none of [null, undefined]) {
    it(`returns ${none} if no user is logged in, which is not a failure`, async () => {
      const { token, calls } = tokenSequence(() => none);
      const { bell, received } = await openUnshared({ token });
      expect(received.state!.at(-1)).toEqual({ state: "closed", code: 4401, reason: "no-token" });
      await advance(3_600_000);
      expect([bell.state, calls(), browser.console]).toEqual(["closed", 1, []]);
    });
  }

  it("logs its error once per outage on the console", async () => {
    const down = () => Promise.reject(new Error("down"));
    const { token } = tokenSequence(down, down, down, good, down, down, good);
    await openUnshared({ token });
    await advance(10_000);
    expect(browser.console).toEqual([[expect.stringContaining("token()"), new Error("down")]]);
    await socket().receives(welcome("c1"), live("c2"));
    await socket().closes(4401, "token-expired");
    await advance(10_000);
    expect(browser.console.length).toBe(2);
    expect(socket().open).toBe(true);
  });

  it("is called once for concurrent requests", async () => {
    const { token, calls } = tokenSequence(good);
    browser.fetch.mockImplementation(async () => Response.json({ items: [], unread_count: 0, cursor: "c1" }));
    const { bell } = await openUnshared({ token });
    await Promise.all([1, 2, 3, 4, 5].map(() => bell.inbox()));
    expect(calls()).toBe(1);
    const statuses = [401, 401, 401];
    browser.fetch.mockImplementation(async () => Response.json({ items: [], unread_count: 0 }, { status: statuses.pop() ?? 200 }));
    await Promise.all([1, 2, 3].map(() => bell.inbox()));
    expect(calls()).toBe(2); // once for the three refused requests
  });

  it("is called again after an attempt that got no welcome", async () => {
    const { token, calls } = tokenSequence(good);
    await openUnshared({ token });
    await socket().closes(1006);
    await advance(250);
    expect(calls()).toBe(2);
    await socket().receives(welcome("c1"), live("c2"));
    await socket().closes(1006);
    await advance(500);
    expect(calls()).toBe(2); // the service has accepted this token
  });

  it("may fail while the token is expired, and the connection recovers", async () => {
    const page = () => "<!doctype html><title>502</title>";
    const { token } = tokenSequence(good, page, page, good);
    const { bell, received } = await openUnshared({ token });
    await socket().receives(welcome("c1", { expires_in: 12 }), live("c2"));
    await advance(12_000);
    await socket().closes(4401, "token-expired");
    await advance(5_000);
    await socket().receives(welcome("c2"), live("c2"));
    expect(bell.state).toBe("open");
    expect(received.close!.map(({ code }) => code)).not.toContain(4403);
  });

  it("is called again until it returns the next token, while the connection is open", async () => {
    const down = () => Promise.reject(new Error("down"));
    const { token } = tokenSequence(good, down, down, () => jwt({ sub: "ada", n: 2 }));
    await openUnshared({ token });
    await socket().receives(welcome("c1", { expires_in: 100 }), live("c2"));
    await advance(85_000);
    expect(socket().sent).toEqual([{ event: "refresh", ref: "refresh", data: { token: jwt({ sub: "ada", n: 2 }) } }]);
  });

  it("is called again when the service refuses the next token", async () => {
    const { token, freshArguments, nth } = tokens();
    await openUnshared({ token });
    await socket().receives(welcome("c1", { expires_in: 100 }), live("c2"));
    await advance(83_000);
    await socket().receives({ event: "error", ref: "refresh", data: { status: 401 } });
    await advance(500);
    expect(socket().sent.at(-1)!.data.token).toBe(nth(3));
    expect(freshArguments).toEqual([false, true, true]);
  });

  for (const [what, answer, reason] of [["no user", () => null, "no-token"], ["another user", () => jwt({ sub: "grace" }), "token-of-another-user"]] as const) {
    it(`ends the connection immediately if the next token is of ${what}`, async () => {
      const { token } = tokenSequence(good, answer);
      const { bell, received } = await openUnshared({ token });
      await socket().receives(welcome("c1", { expires_in: 100 }), live("c2"));
      await advance(90_000);
      expect([bell.state, socket().open]).toEqual(["closed", false]);
      expect(received.state!.at(-1)).toMatchObject({ state: "closed", reason });
    });
  }

  it("leaves no pending timer when the client closes during a call", async () => {
    const { bell, received } = await openUnshared({ token: () => new Promise<string>(() => {}) });
    bell.close();
    await settle();
    expect([received.state!.at(-1), browser.console, vi.getTimerCount()]).toEqual([{ state: "closed" }, [], 0]);
  });
});

describe("the device's clock", () => {
  for (const hours of [-2, 2, 24 * 365]) {
    it(`may be ${hours} h off: a token is used for the lifetime that the service sends`, async () => {
      const exp = Math.floor(Date.now() / 1000) + 900;
      const { token, calls } = tokenSequence(() => jwt({ sub: "ada", exp }));
      vi.setSystemTime(Date.now() + hours * 3_600_000);
      browser.fetch.mockImplementation(async () => Response.json({ items: [], unread_count: 0 }));
      const { bell } = await openUnshared({ token });
      await socket().receives(welcome("c1", { expires_in: 900 }), live("c1"));
      for (let i = 0; i < 5; i++) await bell.inbox();
      expect(calls()).toBe(1);
      await advance(829_000); // the next token is requested before the old one expires
      expect(calls()).toBe(2);
    });

    it(`may be ${hours} h off: now() follows the times in the welcome and in responses`, async () => {
      const there = Date.now();
      vi.setSystemTime(there + hours * 3_600_000);
      const { bell } = await openUnshared();
      await socket().receives(welcome("c1", { token_expires: new Date(there + 900_000).toISOString(), expires_in: 900 }), live("c1"));
      expect(bell.now()).toBe(there);
      await advance(60_000);
      vi.setSystemTime(0);
      expect(bell.now()).toBe(there + 60_000);
      const date = new Date(there + 3_000_000).toUTCString();
      browser.fetch.mockImplementation(async () => Response.json({ items: [], unread_count: 0 }, { headers: { Date: date } }));
      await bell.inbox();
      expect(bell.now()).toBe(Date.parse(date));
    });
  }
});

describe("a token that the service has not accepted yet", () => {
  it("may be followed by one of another user, who then owns everything stored", async () => {
    const { token } = tokenSequence(() => jwt({ sub: "mallory" }), good);
    const { bell, ids } = await open({ token, storage: browser.storage });
    browser.fetch.mockImplementation(async (_, { method }) => new Response(null, { status: method ? 503 : 401 }));
    void bell.read("x");
    await socket().closes(1006);
    await advance(250);
    browser.fetch.mockImplementation(async () => Response.json({}));
    await socket().receives(welcome("c1"), live("c1"));
    await advance(30_000);
    expect([bell.state, ids()]).toEqual(["open", []]);
    expect([...browser.storage.items.keys()].sort()).toEqual([
      "bellhop/1 https://bell.test/base/ ada cursor",
      "bellhop/1 https://bell.test/base/ ada marks",
    ]);
    expect(browser.fetch.mock.lastCall![1]).toMatchObject({ body: '{"ids":["x"]}', headers: { Authorization: `Bearer ${good()}` } });
  });

  it("may have no subject: then nothing is stored or shared", async () => {
    const { bell } = await open({ token: () => jwt({ oid: "ada" }), storage: browser.storage });
    browser.fetch.mockImplementation(async () => Response.json({}));
    await socket().receives(welcome("c1"), live("c1"));
    await bell.read("x");
    expect([bell.state, browser.storage.items.size, browser.messages]).toEqual(["open", 0, []]);
  });
});
