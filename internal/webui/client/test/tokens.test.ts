import { describe, expect, it, vi } from "vitest";
import { browser, FakeSocket, jwt, live, open, pass, settled, socket, tokens, welcome } from "./stage.js";

const alone = (options = {}) => open({ share: false, ...options });

/** A token() that gives these answers in turn, and the last for ever. */
function giving(...answers: (() => unknown)[]) {
  let calls = 0;
  return { token: () => answers[Math.min(calls++, answers.length - 1)]!() as string, calls: () => calls };
}

const good = () => jwt({ sub: "ada" });
const failures: Record<string, () => unknown> = {
  "an error page": () => "<!doctype html><title>502 Bad Gateway</title>",
  "nothing but white space": () => " \n",
  "an empty string": () => "",
  "an opaque token": () => "tGzv3JOkF0XG5Qx2TlKWIA",
  "what only looks like a JWT": () => "a.b.c",
  "an object": () => ({ token: good() }),
  "a number": () => 42,
  false: () => false,
  "an exception": () => {
    throw new TypeError("cannot read properties of undefined");
  },
  "a rejection": () => Promise.reject(new Error("down")),
  "what is thrown and no error": () => Promise.reject("down"),
};

describe("a call of token() fails if it gives", () => {
  for (const [what, answer] of Object.entries(failures)) {
    it(`${what}: it is called again, and shown why`, async () => {
      const { token, calls } = giving(answer, answer, good);
      const { bell, heard } = await alone({ token });
      expect(heard.state!.at(-1)).toMatchObject({ state: "waiting", wait: 250, reason: "token-failed", error: expect.any(Error) });
      expect(bell.state).toBe("waiting");
      await pass(250 + 500);
      expect([calls(), FakeSocket.all.length]).toEqual([3, 1]);
      await socket().hears(welcome("c1"), live("c2"));
      expect(heard.state!.at(-1)).toEqual({ state: "open" });
      expect(browser.console.length).toBe(1);
    });
  }

  it("no answer within 30 s", async () => {
    const { token, calls } = giving(() => new Promise(() => {}), good);
    const { bell, heard } = await alone({ token });
    await pass(29_999);
    expect([bell.state, calls()]).toEqual(["connecting", 1]);
    await pass(1);
    expect(heard.state!.at(-1)).toMatchObject({ state: "waiting", error: new Error("no answer within 30 s") });
    await pass(250);
    expect([calls(), FakeSocket.all.length]).toEqual([2, 1]);
  });
});

describe("token()", () => {
  it("may return a JWT with white space around it", async () => {
    await alone({ token: () => `  ${good()}\r\n` });
    expect(socket().protocols[1]).toBe(`bearer.${good()}`);
  });

  for (const nobody of [null, undefined]) {
    it(`says with ${nobody} that nobody is logged in, which is no failure`, async () => {
      const { token, calls } = giving(() => nobody);
      const { bell, heard } = await alone({ token });
      expect(heard.state!.at(-1)).toEqual({ state: "closed", code: 4401, reason: "no-token" });
      await pass(3_600_000);
      expect([bell.state, calls(), browser.console]).toEqual(["closed", 1, []]);
    });
  }

  it("is heard of once per outage on the console, with what went wrong", async () => {
    const down = () => Promise.reject(new Error("down"));
    const { token } = giving(down, down, down, good, down, down, good);
    await alone({ token });
    await pass(10_000);
    expect(browser.console).toEqual([[expect.stringContaining("token()"), new Error("down")]]);
    await socket().hears(welcome("c1"), live("c2"));
    await socket().ends(4401, "token-expired");
    await pass(10_000);
    expect(browser.console.length).toBe(2);
    expect(socket().open).toBe(true);
  });

  it("is called once for all who ask at the same time", async () => {
    const { token, calls } = giving(good);
    browser.fetch.mockImplementation(async () => Response.json({ items: [], unread_count: 0, cursor: "c1" }));
    const { bell } = await alone({ token });
    await Promise.all([1, 2, 3, 4, 5].map(() => bell.inbox()));
    expect(calls()).toBe(1);
    const statuses = [401, 401, 401];
    browser.fetch.mockImplementation(async () => Response.json({ items: [], unread_count: 0 }, { status: statuses.pop() ?? 200 }));
    await Promise.all([1, 2, 3].map(() => bell.inbox()));
    expect(calls()).toBe(2); // for all three that were refused
  });

  it("is called again after an attempt that got no welcome", async () => {
    const { token, calls } = giving(good);
    await alone({ token });
    await socket().ends(1006);
    await pass(250);
    expect(calls()).toBe(2);
    await socket().hears(welcome("c1"), live("c2"));
    await socket().ends(1006);
    await pass(500);
    expect(calls()).toBe(2); // this one is good
  });

  it("keeps no connection from recovering that failed while the token had ended", async () => {
    const page = () => "<!doctype html><title>502</title>";
    const { token } = giving(good, page, page, good);
    const { bell, heard } = await alone({ token });
    await socket().hears(welcome("c1", { expires_in: 12 }), live("c2"));
    await pass(12_000);
    await socket().ends(4401, "token-expired");
    await pass(5_000);
    await socket().hears(welcome("c2"), live("c2"));
    expect(bell.state).toBe("open");
    expect(heard.close!.map(({ code }) => code)).not.toContain(4403);
  });

  it("is asked on and on for the next token while the connection is open", async () => {
    const down = () => Promise.reject(new Error("down"));
    const { token } = giving(good, down, down, () => jwt({ sub: "ada", n: 2 }));
    await alone({ token });
    await socket().hears(welcome("c1", { expires_in: 100 }), live("c2"));
    await pass(85_000);
    expect(socket().sent).toEqual([{ event: "refresh", ref: "refresh", data: { token: jwt({ sub: "ada", n: 2 }) } }]);
  });

  it("is called again when the service does not want the next token", async () => {
    const { token, asked, nth } = tokens();
    await alone({ token });
    await socket().hears(welcome("c1", { expires_in: 100 }), live("c2"));
    await pass(83_000);
    await socket().hears({ event: "error", ref: "refresh", data: { status: 401 } });
    await pass(500);
    expect(socket().sent.at(-1)!.data.token).toBe(nth(3));
    expect(asked).toEqual([false, true, true]);
  });

  for (const [what, answer, reason] of [["nobody", () => null, "no-token"], ["another user", () => jwt({ sub: "grace" }), "token-of-another-user"]] as const) {
    it(`ends a connection at once whose next token is of ${what}`, async () => {
      const { token } = giving(good, answer);
      const { bell, heard } = await alone({ token });
      await socket().hears(welcome("c1", { expires_in: 100 }), live("c2"));
      await pass(90_000);
      expect([bell.state, socket().open]).toEqual(["closed", false]);
      expect(heard.state!.at(-1)).toMatchObject({ state: "closed", reason });
    });
  }

  it("leaves no call behind that hangs when the page closes", async () => {
    const { bell, heard } = await alone({ token: () => new Promise<string>(() => {}) });
    bell.close();
    await settled();
    expect([heard.state!.at(-1), browser.console, vi.getTimerCount()]).toEqual([{ state: "closed" }, [], 0]);
  });
});

describe("the device's clock", () => {
  for (const hours of [-2, 2, 24 * 365]) {
    it(`may be ${hours} h off: a token is held until the service says that it ends`, async () => {
      const exp = Math.floor(Date.now() / 1000) + 900;
      const { token, calls } = giving(() => jwt({ sub: "ada", exp }));
      vi.setSystemTime(Date.now() + hours * 3_600_000);
      browser.fetch.mockImplementation(async () => Response.json({ items: [], unread_count: 0 }));
      const { bell } = await alone({ token });
      await socket().hears(welcome("c1", { expires_in: 900 }), live("c1"));
      for (let i = 0; i < 5; i++) await bell.inbox();
      expect(calls()).toBe(1);
      await pass(829_000); // the next one is had on the way
      expect(calls()).toBe(2);
    });

    it(`may be ${hours} h off: the time is the service's, by its welcome or its answers`, async () => {
      const there = Date.now();
      vi.setSystemTime(there + hours * 3_600_000);
      const { bell } = await alone();
      await socket().hears(welcome("c1", { token_expires: new Date(there + 900_000).toISOString(), expires_in: 900 }), live("c1"));
      expect(bell.now()).toBe(there);
      await pass(60_000);
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
  it("may be followed by one of another user, for whom all is stored", async () => {
    const { token } = giving(() => jwt({ sub: "mallory" }), good);
    const { bell, ids } = await open({ token, storage: browser.storage });
    browser.fetch.mockImplementation(async (_, { method }) => new Response(null, { status: method ? 503 : 401 }));
    void bell.read("x");
    await socket().ends(1006);
    await pass(250);
    browser.fetch.mockImplementation(async () => Response.json({}));
    await socket().hears(welcome("c1"), live("c1"));
    await pass(30_000);
    expect([bell.state, ids()]).toEqual(["open", []]);
    expect([...browser.storage.items.keys()].sort()).toEqual([
      "bellhop/1 https://bell.test/base/ ada cursor",
      "bellhop/1 https://bell.test/base/ ada marks",
    ]);
    expect(browser.fetch.mock.lastCall![1]).toMatchObject({ body: '{"ids":["x"]}', headers: { Authorization: `Bearer ${good()}` } });
  });

  it("may name nobody: then nothing is stored or shared", async () => {
    const { bell } = await open({ token: () => jwt({ oid: "ada" }), storage: browser.storage });
    browser.fetch.mockImplementation(async () => Response.json({}));
    await socket().hears(welcome("c1"), live("c1"));
    await bell.read("x");
    expect([bell.state, browser.storage.items.size, browser.words]).toEqual(["open", 0, []]);
  });
});
