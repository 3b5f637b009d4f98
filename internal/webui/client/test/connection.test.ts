import { describe, expect, it, vi } from "vitest";
import { browser, FakeSocket, setOnline, dispatch, live, open, advance, socket, notification, tokens, welcome } from "./fakes.js";

const openUnshared = (options = {}) => open({ share: false, ...options });

// Advances the clock by ms, and expects a new attempt exactly at the end.
async function expectReconnectAfter(ms: number) {
  const before = FakeSocket.all.length;
  await advance(ms - 1);
  expect(FakeSocket.all.length, "reconnected too early").toBe(before);
  await advance(1);
  expect(FakeSocket.all.length, "did not reconnect").toBe(before + 1);
}

async function expectNoReconnect() {
  const before = FakeSocket.all.length;
  await advance(3_600_000);
  expect(FakeSocket.all.length).toBe(before);
}

describe("the handshake", () => {
  it("puts the token into the subprotocol and the cursor into the URL", async () => {
    const { token, nth } = tokens();
    await openUnshared({ token, cursor: "c7" });
    expect(socket().protocols).toEqual(["bellhop.v1", `bearer.${nth(1)}`]);
    expect(socket().url.href).toBe("wss://bell.test/base/ws?cursor=c7");
  });

  it("has no cursor parameter without a cursor", async () => {
    await openUnshared({ url: "ws://bell.test" });
    expect(socket().url.href).toBe("ws://bell.test/ws");
  });

  it("fails if no welcome arrives in time", async () => {
    const { received } = await openUnshared();
    await advance(15_000);
    expect(received.close).toMatchObject([{ code: 1006, reason: "no welcome" }]);
    await expectReconnectAfter(250);
  });

  it("survives an invalid address", async () => {
    const { bell } = await openUnshared();
    globalThis.WebSocket = class { constructor() { throw new SyntaxError("no"); } } as never;
    await socket().closes(1006);
    await advance(250);
    expect(bell.state).toBe("waiting");
  });
});

describe("reconnecting", () => {
  it("waits a random part of a limit that doubles with each failure", async () => {
    const { received } = await openUnshared();
    for (const half of [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
      await socket().closes(1006);
      expect(received.state!.at(-1)).toEqual({ state: "waiting", wait: half, code: 1006, reason: "" });
      await expectReconnectAfter(half);
    }
    await socket().receives(welcome("c1"), live("c2"));
    await advance(5_001);
    await socket().closes(1006);
    await expectReconnectAfter(250);
  });

  it("counts a connection that ends immediately as a failure", async () => {
    await openUnshared();
    for (const half of [250, 500, 1_000]) {
      await socket().receives(welcome("c1"), live("c2"));
      await socket().closes(1013, "overloaded");
      await expectReconnectAfter(half);
    }
  });

  it("resumes from the last cursor received", async () => {
    await openUnshared({ cursor: "c0" });
    await socket().receives(welcome("c0"), notification("a", "c1"), notification("ephemeral"), live("c2"));
    await socket().closes(4408, "too-slow");
    await expectReconnectAfter(250);
    expect(socket().cursor).toBe("c2");
  });

  it("happens within the window of a restart", async () => {
    await openUnshared();
    await socket().receives(welcome("c1"), live("c2"));
    await socket().closes(1012, "restart window=20");
    await expectReconnectAfter(10_000);
    await socket().receives(welcome("c2"), live("c2"));
    await socket().receives({ event: "close", data: { code: 1012, reason: "restart window=8", reconnect: true, after: 8 } });
    await expectReconnectAfter(4_000);
  });

  for (const code of [1002, 1003, 1007, 1008, 1009, 4403, 4409]) {
    it(`does not happen after ${code} until open() is called`, async () => {
      const { bell, received } = await openUnshared();
      await socket().receives(welcome("c1"), live("c2"));
      await socket().closes(code, "why");
      expect(received.close!.at(-1)).toEqual({ code, reason: "why", reconnect: false, after: 0 });
      expect(received.state!.at(-1)).toEqual({ state: "closed", code, reason: "why" });
      await expectNoReconnect();
      await dispatch("online");
      await dispatch("visibilitychange");
      bell.open();
      await advance(0);
      expect(FakeSocket.all.length).toBe(2);
      expect(socket().cursor).toBe("c2");
    });
  }

  for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 1013, 4401, 4408, 4410, 4429, 4999]) {
    it(`happens after ${code}`, async () => {
      await openUnshared();
      await socket().receives(welcome("c1"), live("c2"));
      await socket().closes(code);
      await expectReconnectAfter(250);
    });
  }

  it("happens after 4409 when the user interacts with the page", async () => {
    await openUnshared();
    for (const act of ["pointerdown", "keydown", "visibilitychange"]) {
      await socket().receives(welcome("c1"), live("c2"));
      const before = FakeSocket.all.length;
      await socket().closes(4409, "replaced");
      await expectNoReconnect();
      browser.visibilityState = "hidden";
      await dispatch("visibilitychange");
      expect(FakeSocket.all.length).toBe(before);
      browser.visibilityState = "visible";
      await dispatch(act);
      expect(FakeSocket.all.length).toBe(before + 1);
    }
  });

  it("follows the close event rather than the client's list of codes", async () => {
    const { bell } = await openUnshared();
    await socket().receives(welcome("c1"), { event: "close", data: { code: 4999, reason: "new", reconnect: false } });
    expect(bell.state).toBe("closed");
    await expectNoReconnect();
  });
});

describe("tokens", () => {
  it("are requested again when the old one has expired", async () => {
    const { token, freshArguments, nth } = tokens();
    await openUnshared({ token });
    await socket().receives(welcome("c1"), live("c2"));
    await socket().closes(4408);
    await expectReconnectAfter(250);
    expect(freshArguments).toEqual([false]);
    await socket().receives(welcome("c1"), live("c2"));
    await socket().closes(4401, "token-expired");
    await expectReconnectAfter(500);
    expect(freshArguments).toEqual([false, true]);
    expect(socket().protocols[1]).toBe(`bearer.${nth(2)}`);
  });

  it("are refreshed on the open connection before they expire", async () => {
    const { token, nth } = tokens();
    await openUnshared({ token });
    await socket().receives(welcome("c1", { expires_in: 1000 }), live("c2"));
    await advance(824_000);
    expect(socket().sent).toEqual([]);
    await advance(2_000);
    expect(socket().sent).toEqual([{ event: "refresh", ref: "refresh", data: { token: nth(2) } }]);
    await socket().receives({ event: "reply", ref: "refresh", data: { expires_in: 2000 } });
    await advance(1_651_000);
    expect(socket().sent.length).toBe(2);
    expect(FakeSocket.all.length).toBe(1);
  });

  it("end the connection when they expire and no new one is available", async () => {
    let freshArguments = 0;
    const { token } = tokens();
    const { bell } = await openUnshared({ token: async (ask: { fresh: boolean }) => (freshArguments++ ? Promise.reject(new Error("down")) : token(ask)) });
    await socket().receives(welcome("c1", { expires_in: 100 }), live("c2"));
    await advance(99_000);
    expect(socket().sent).toEqual([]);
    expect(bell.state).toBe("open");
    await socket().closes(4401, "token-expired");
    await advance(10_000);
    expect(bell.state).toBe("waiting");
  });

  it("of another user close the client", async () => {
    let user = "ada";
    const { bell, received } = await openUnshared({ token: (ask: { fresh: boolean }) => tokens(user).token(ask) });
    await socket().receives(welcome("c1"), live("c2"));
    user = "grace";
    await socket().closes(4401, "token-expired");
    await advance(250);
    expect(bell.state).toBe("closed");
    expect(received.close!.at(-1)).toMatchObject({ code: 4403, reason: "token-of-another-user" });
    await expectNoReconnect();
  });

  it("that are null close the client until a user has logged in", async () => {
    const { token } = tokens();
    let out = true;
    const { bell } = await openUnshared({ token: (ask: { fresh: boolean }) => (out ? null : token(ask)) });
    expect(bell.state).toBe("closed");
    await expectNoReconnect();
    out = false;
    bell.open();
    await advance(0);
    expect(FakeSocket.all.length).toBe(1);
  });

  it("are requested again if token() fails at first", async () => {
    const { token } = tokens();
    let fails = 2;
    const { bell } = await openUnshared({ token: (ask: { fresh: boolean }) => (fails-- > 0 ? Promise.reject(new Error("down")) : token(ask)) });
    expect(bell.state).toBe("waiting");
    await advance(750);
    expect(FakeSocket.all.length).toBe(1);
  });
});

describe("a refused handshake", () => {
  it("is probed for its reason, and the client follows the answer", async () => {
    const { token, freshArguments, nth } = tokens();
    const { bell } = await openUnshared({ token });
    browser.fetch.mockImplementation(async () => new Response(null, { status: 401 }));
    await socket().closes(1006);
    expect(String(browser.fetch.mock.calls[0]![0])).toBe("https://bell.test/base/ws");
    expect(browser.fetch.mock.calls[0]![1].headers).toEqual({ Authorization: `Bearer ${nth(1)}` });
    await expectReconnectAfter(250);
    expect(freshArguments).toEqual([false, true]);

    browser.fetch.mockImplementation(async () => new Response(null, { status: 503, headers: { "Retry-After": "7" } }));
    await socket().closes(1006);
    await expectReconnectAfter(7_500);

    browser.fetch.mockImplementation(async () => Promise.reject(new TypeError("no network")));
    await socket().closes(1006);
    await expectReconnectAfter(1_000);

    browser.fetch.mockImplementation(async () => new Response(null, { status: 403 }));
    await socket().closes(1006);
    expect(bell.state).toBe("closed");
    await expectNoReconnect();
  });
});

describe("the network", () => {
  it("is tried less often while offline, and immediately when it returns", async () => {
    const { bell, received } = await openUnshared();
    await socket().receives(welcome("c1"), live("c2"));
    await setOnline(false);
    expect(socket().open).toBe(false);
    expect(received.state!.at(-1)).toEqual({ state: "offline", wait: 500, code: 1006, reason: "offline" });
    for (const twice of [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) await expectReconnectAfter(twice);
    expect(bell.state).toBe("offline");
    const before = FakeSocket.all.length;
    await setOnline(true);
    expect(FakeSocket.all.length).toBe(before + 1);
    expect(socket().cursor).toBe("c2");
  });

  it("is used even if the browser wrongly reports that it is offline", async () => {
    browser.onLine = false;
    const { bell } = await openUnshared();
    await socket().receives(welcome("c1"), live("c2"));
    expect(bell.state).toBe("open");
    await dispatch("visibilitychange");
    expect(socket().open).toBe(true);
  });

  it("triggers an immediate attempt when it returns or the page becomes visible", async () => {
    await openUnshared();
    for (const reason of ["online", "visibilitychange"]) {
      await socket().closes(1006);
      const before = FakeSocket.all.length;
      await dispatch(reason);
      expect(FakeSocket.all.length).toBe(before + 1);
    }
  });

  it("does not shorten a wait that the service has set", async () => {
    await openUnshared();
    await socket().receives(welcome("c1"), live("c2"));
    await socket().closes(1012, "restart window=20");
    await dispatch("online");
    await dispatch("visibilitychange");
    expect(FakeSocket.all.length).toBe(1);
    await advance(10_000);
    expect(FakeSocket.all.length).toBe(2);
  });

  it("is not used for weeks if the service sets a wait longer than the longest timer", async () => {
    await openUnshared();
    browser.fetch.mockImplementation(async () => new Response(null, { status: 503, headers: { "Retry-After": "2592000" } }));
    await socket().closes(1006);
    await advance(24 * 86_400_000);
    expect(FakeSocket.all.length).toBe(1);
  });

  it("does not reopen a closed client by going offline and online", async () => {
    const { bell } = await openUnshared();
    await socket().receives(welcome("c1"), live("c2"));
    await socket().closes(4403, "token-revoked");
    await setOnline(false);
    await setOnline(true);
    await expectNoReconnect();
    expect(bell.state).toBe("closed");
  });

  it("is checked by a ping after a long silence, by the client's own clock", async () => {
    const { bell } = await openUnshared();
    await socket().receives(welcome("c1"), live("c2"));
    await advance(49_000);
    await socket().receives(notification("a", "c3"));
    await advance(49_999);
    expect(socket().pings).toBe(0);
    await advance(1);
    expect(socket().pings).toBe(1);
    await advance(300_000);
    expect([bell.state, socket().pings, FakeSocket.all.length]).toEqual(["open", 7, 1]);
  });

  it("that drops every message ends the connection, even if the device's clock changes", async () => {
    for (const hours of [0, -5, 7]) {
      const { bell, received } = await openUnshared();
      await socket().receives(welcome("c1"), live("c2"));
      socket().dropsSent = true;
      await advance(10_000);
      vi.setSystemTime(Date.now() + hours * 3_600_000);
      await advance(49_999);
      expect(bell.state).toBe("open");
      await advance(1);
      expect(received.close!.at(-1)).toMatchObject({ code: 1006, reason: "silent" });
      bell.close();
    }
  });

  it("is checked immediately when the page becomes visible after its timers were suspended", async () => {
    await openUnshared();
    await socket().receives(welcome("c1"), live("c2"));
    vi.spyOn(performance, "now").mockReturnValue(performance.now() + 8 * 3_600_000);
    await dispatch("visibilitychange");
    expect(socket().pings).toBe(1);
  });

  it("that drops the handshake and the probe delays the next attempt by their timeouts only", async () => {
    await openUnshared();
    browser.fetch.mockImplementation(() => new Promise(() => {}));
    await advance(15_000 + 10_000); // the timeouts of the welcome and of the probe
    await expectReconnectAfter(250);
  });
});
