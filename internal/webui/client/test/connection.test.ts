import { describe, expect, it, vi } from "vitest";
import { browser, FakeSocket, goes, happens, live, open, pass, socket, told, tokens, welcome } from "./stage.js";

const alone = (options = {}) => open({ share: false, ...options });

// Passes ms, and expects a new attempt at their end and not before.
async function comesBackAfter(ms: number) {
  const before = FakeSocket.all.length;
  await pass(ms - 1);
  expect(FakeSocket.all.length, "came back too early").toBe(before);
  await pass(1);
  expect(FakeSocket.all.length, "did not come back").toBe(before + 1);
}

async function staysAway() {
  const before = FakeSocket.all.length;
  await pass(3_600_000);
  expect(FakeSocket.all.length).toBe(before);
}

describe("the handshake", () => {
  it("puts the token into the subprotocol and the cursor into the URL", async () => {
    const { token, nth } = tokens();
    await alone({ token, cursor: "c7" });
    expect(socket().protocols).toEqual(["bellhop.v1", `bearer.${nth(1)}`]);
    expect(socket().url.href).toBe("wss://bell.test/base/ws?cursor=c7");
  });

  it("asks for no cursor when it has none", async () => {
    await alone({ url: "ws://bell.test" });
    expect(socket().url.href).toBe("ws://bell.test/ws");
  });

  it("gives up on a welcome that does not come", async () => {
    const { heard } = await alone();
    await pass(15_000);
    expect(heard.close).toMatchObject([{ code: 1006, reason: "no welcome" }]);
    await comesBackAfter(250);
  });

  it("survives an address that is none", async () => {
    const { bell } = await alone();
    globalThis.WebSocket = class { constructor() { throw new SyntaxError("no"); } } as never;
    await socket().ends(1006);
    await pass(250);
    expect(bell.state).toBe("waiting");
  });
});

describe("coming back", () => {
  it("waits longer with each failure, and a random part of that", async () => {
    const { heard } = await alone();
    for (const half of [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
      await socket().ends(1006);
      expect(heard.state!.at(-1)).toEqual({ state: "waiting", wait: half, code: 1006, reason: "" });
      await comesBackAfter(half);
    }
    await socket().hears(welcome("c1"), live("c2"));
    await pass(5_001);
    await socket().ends(1006);
    await comesBackAfter(250);
  });

  it("takes a connection that ends at once for a failure", async () => {
    await alone();
    for (const half of [250, 500, 1_000]) {
      await socket().hears(welcome("c1"), live("c2"));
      await socket().ends(1013, "overloaded");
      await comesBackAfter(half);
    }
  });

  it("resumes from the last cursor that came", async () => {
    await alone({ cursor: "c0" });
    await socket().hears(welcome("c0"), told("a", "c1"), told("ephemeral"), live("c2"));
    await socket().ends(4408, "too-slow");
    await comesBackAfter(250);
    expect(socket().cursor).toBe("c2");
  });

  it("comes back within the window of a restart", async () => {
    await alone();
    await socket().hears(welcome("c1"), live("c2"));
    await socket().ends(1012, "restart window=20");
    await comesBackAfter(10_000);
    await socket().hears(welcome("c2"), live("c2"));
    await socket().hears({ event: "close", data: { code: 1012, reason: "restart window=8", reconnect: true, after: 8 } });
    await comesBackAfter(4_000);
  });

  for (const code of [1002, 1003, 1007, 1008, 1009, 4403, 4409]) {
    it(`stays away after ${code} until it is opened again`, async () => {
      const { bell, heard } = await alone();
      await socket().hears(welcome("c1"), live("c2"));
      await socket().ends(code, "why");
      expect(heard.close!.at(-1)).toEqual({ code, reason: "why", reconnect: false, after: 0 });
      expect(heard.state!.at(-1)).toEqual({ state: "closed", code, reason: "why" });
      await staysAway();
      await happens("online");
      await happens("visibilitychange");
      bell.open();
      await pass(0);
      expect(FakeSocket.all.length).toBe(2);
      expect(socket().cursor).toBe("c2");
    });
  }

  for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 1013, 4401, 4408, 4410, 4429, 4999]) {
    it(`comes back after ${code}`, async () => {
      await alone();
      await socket().hears(welcome("c1"), live("c2"));
      await socket().ends(code);
      await comesBackAfter(250);
    });
  }

  it("comes back after 4409 when the user does something", async () => {
    await alone();
    for (const act of ["pointerdown", "keydown", "visibilitychange"]) {
      await socket().hears(welcome("c1"), live("c2"));
      const before = FakeSocket.all.length;
      await socket().ends(4409, "replaced");
      await staysAway();
      browser.visibilityState = "hidden";
      await happens("visibilitychange");
      expect(FakeSocket.all.length).toBe(before);
      browser.visibilityState = "visible";
      await happens(act);
      expect(FakeSocket.all.length).toBe(before + 1);
    }
  });

  it("believes the close event over its own list", async () => {
    const { bell } = await alone();
    await socket().hears(welcome("c1"), { event: "close", data: { code: 4999, reason: "new", reconnect: false } });
    expect(bell.state).toBe("closed");
    await staysAway();
  });
});

describe("tokens", () => {
  it("are asked anew when the old one expired", async () => {
    const { token, asked, nth } = tokens();
    await alone({ token });
    await socket().hears(welcome("c1"), live("c2"));
    await socket().ends(4408);
    await comesBackAfter(250);
    expect(asked).toEqual([false]);
    await socket().hears(welcome("c1"), live("c2"));
    await socket().ends(4401, "token-expired");
    await comesBackAfter(500);
    expect(asked).toEqual([false, true]);
    expect(socket().protocols[1]).toBe(`bearer.${nth(2)}`);
  });

  it("are refreshed on the open connection before they expire", async () => {
    const { token, nth } = tokens();
    await alone({ token });
    await socket().hears(welcome("c1", { expires_in: 1000 }), live("c2"));
    await pass(824_000);
    expect(socket().sent).toEqual([]);
    await pass(2_000);
    expect(socket().sent).toEqual([{ event: "refresh", ref: "refresh", data: { token: nth(2) } }]);
    await socket().hears({ event: "reply", ref: "refresh", data: { expires_in: 2000 } });
    await pass(1_651_000);
    expect(socket().sent.length).toBe(2);
    expect(FakeSocket.all.length).toBe(1);
  });

  it("keep no connection when no new one is to be had", async () => {
    let asked = 0;
    const { token } = tokens();
    const { bell } = await alone({ token: async (ask: { fresh: boolean }) => (asked++ ? Promise.reject(new Error("down")) : token(ask)) });
    await socket().hears(welcome("c1", { expires_in: 100 }), live("c2"));
    await pass(99_000);
    expect(socket().sent).toEqual([]);
    expect(bell.state).toBe("open");
    await socket().ends(4401, "token-expired");
    await pass(10_000);
    expect(bell.state).toBe("waiting");
  });

  it("of another user end it", async () => {
    let user = "ada";
    const { bell, heard } = await alone({ token: (ask: { fresh: boolean }) => tokens(user).token(ask) });
    await socket().hears(welcome("c1"), live("c2"));
    user = "grace";
    await socket().ends(4401, "token-expired");
    await pass(250);
    expect(bell.state).toBe("closed");
    expect(heard.close!.at(-1)).toMatchObject({ code: 4403, reason: "token-of-another-user" });
    await staysAway();
  });

  it("that are null end it until somebody is logged in", async () => {
    const { token } = tokens();
    let out = true;
    const { bell } = await alone({ token: (ask: { fresh: boolean }) => (out ? null : token(ask)) });
    expect(bell.state).toBe("closed");
    await staysAway();
    out = false;
    bell.open();
    await pass(0);
    expect(FakeSocket.all.length).toBe(1);
  });

  it("that fail at first are asked for again", async () => {
    const { token } = tokens();
    let fails = 2;
    const { bell } = await alone({ token: (ask: { fresh: boolean }) => (fails-- > 0 ? Promise.reject(new Error("down")) : token(ask)) });
    expect(bell.state).toBe("waiting");
    await pass(750);
    expect(FakeSocket.all.length).toBe(1);
  });
});

describe("a refused handshake", () => {
  it("is asked why, and the answer obeyed", async () => {
    const { token, asked, nth } = tokens();
    const { bell } = await alone({ token });
    browser.fetch.mockImplementation(async () => new Response(null, { status: 401 }));
    await socket().ends(1006);
    expect(String(browser.fetch.mock.calls[0]![0])).toBe("https://bell.test/base/ws");
    expect(browser.fetch.mock.calls[0]![1].headers).toEqual({ Authorization: `Bearer ${nth(1)}` });
    await comesBackAfter(250);
    expect(asked).toEqual([false, true]);

    browser.fetch.mockImplementation(async () => new Response(null, { status: 503, headers: { "Retry-After": "7" } }));
    await socket().ends(1006);
    await comesBackAfter(7_500);

    browser.fetch.mockImplementation(async () => Promise.reject(new TypeError("no network")));
    await socket().ends(1006);
    await comesBackAfter(1_000);

    browser.fetch.mockImplementation(async () => new Response(null, { status: 403 }));
    await socket().ends(1006);
    expect(bell.state).toBe("closed");
    await staysAway();
  });
});

describe("the network", () => {
  it("is tried less often where there is none, and at once when it is back", async () => {
    const { bell, heard } = await alone();
    await socket().hears(welcome("c1"), live("c2"));
    await goes(false);
    expect(socket().open).toBe(false);
    expect(heard.state!.at(-1)).toEqual({ state: "offline", wait: 500, code: 1006, reason: "offline" });
    for (const twice of [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) await comesBackAfter(twice);
    expect(bell.state).toBe("offline");
    const before = FakeSocket.all.length;
    await goes(true);
    expect(FakeSocket.all.length).toBe(before + 1);
    expect(socket().cursor).toBe("c2");
  });

  it("is used where the browser wrongly says that there is none", async () => {
    browser.onLine = false;
    const { bell } = await alone();
    await socket().hears(welcome("c1"), live("c2"));
    expect(bell.state).toBe("open");
    await happens("visibilitychange");
    expect(socket().open).toBe(true);
  });

  it("is not waited for once it is back or the page is seen", async () => {
    await alone();
    for (const reason of ["online", "visibilitychange"]) {
      await socket().ends(1006);
      const before = FakeSocket.all.length;
      await happens(reason);
      expect(FakeSocket.all.length).toBe(before + 1);
    }
  });

  it("is waited for where the service said how long", async () => {
    await alone();
    await socket().hears(welcome("c1"), live("c2"));
    await socket().ends(1012, "restart window=20");
    await happens("online");
    await happens("visibilitychange");
    expect(FakeSocket.all.length).toBe(1);
    await pass(10_000);
    expect(FakeSocket.all.length).toBe(2);
  });

  it("is left alone for weeks where the service asks for longer than a timer can wait", async () => {
    await alone();
    browser.fetch.mockImplementation(async () => new Response(null, { status: 503, headers: { "Retry-After": "2592000" } }));
    await socket().ends(1006);
    await pass(24 * 86_400_000);
    expect(FakeSocket.all.length).toBe(1);
  });

  it("stays closed through offline and online", async () => {
    const { bell } = await alone();
    await socket().hears(welcome("c1"), live("c2"));
    await socket().ends(4403, "token-revoked");
    await goes(false);
    await goes(true);
    await staysAway();
    expect(bell.state).toBe("closed");
  });

  it("is asked for a sign of life after a long silence, by the client's own clock", async () => {
    const { bell } = await alone();
    await socket().hears(welcome("c1"), live("c2"));
    await pass(49_000);
    await socket().hears(told("a", "c3"));
    await pass(49_999);
    expect(socket().pings).toBe(0);
    await pass(1);
    expect(socket().pings).toBe(1);
    await pass(300_000);
    expect([bell.state, socket().pings, FakeSocket.all.length]).toEqual(["open", 7, 1]);
  });

  it("that swallows everything is given up, whatever the device's clock does meanwhile", async () => {
    for (const hours of [0, -5, 7]) {
      const { bell, heard } = await alone();
      await socket().hears(welcome("c1"), live("c2"));
      socket().deaf = true;
      await pass(10_000);
      vi.setSystemTime(Date.now() + hours * 3_600_000);
      await pass(49_999);
      expect(bell.state).toBe("open");
      await pass(1);
      expect(heard.close!.at(-1)).toMatchObject({ code: 1006, reason: "silent" });
      bell.close();
    }
  });

  it("is asked at once when the page is seen after a sleep that stopped its timers", async () => {
    await alone();
    await socket().hears(welcome("c1"), live("c2"));
    vi.spyOn(performance, "now").mockReturnValue(performance.now() + 8 * 3_600_000);
    await happens("visibilitychange");
    expect(socket().pings).toBe(1);
  });

  it("that swallows the handshake and what is asked about it holds up nothing for long", async () => {
    await alone();
    browser.fetch.mockImplementation(() => new Promise(() => {}));
    await pass(15_000 + 10_000); // no welcome, and no answer why
    await comesBackAfter(250);
  });
});
