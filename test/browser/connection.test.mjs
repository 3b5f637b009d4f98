// The page's client module alone, against a socket of our own: what a client
// owes the contract, including what no healthy service would make it do.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, describe, it } from "node:test";

const source = readFileSync(new URL("../../internal/webui/page/demo/connection.js", import.meta.url), "utf8");
const { Connection } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const settled = () => new Promise((resolve) => setImmediate(resolve));

class FakeSocket {
  static OPEN = 1;
  static all = [];
  readyState = FakeSocket.OPEN;
  sent = [];

  constructor(url, protocols) {
    this.url = new URL(url);
    this.protocols = protocols;
    FakeSocket.all.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
  }

  async hears(...frames) {
    for (const frame of frames) this.onmessage({ data: JSON.stringify(frame) });
    await settled();
  }

  async ends(code, reason = "") {
    this.readyState = 3;
    this.onclose({ code, reason });
    await settled();
  }
}

const welcome = (cursor) => ({ event: "welcome", cursor, data: {} });
const live = (cursor) => ({ event: "live", cursor, data: {} });
const told = (id, cursor) => ({ event: "notification", cursor, data: { id, type: "t" } });

describe("a connection", () => {
  let seen, cursors, states, tokens, resets;

  beforeEach((t) => {
    FakeSocket.all = [];
    [seen, cursors, states, tokens, resets] = [[], [], [], [], []];
    globalThis.WebSocket = FakeSocket;
    globalThis.reportError = () => {};
    globalThis.fetch = async () => new Response(null, { status: 426 });
    Math.random = () => 0.5;
  });

  async function connect(t, options = {}) {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const connection = new Connection({
      url: "ws://service.test/ws",
      token: ({ fresh }) => {
        tokens.push(fresh);
        return `token${tokens.length}`;
      },
      onNotification: ({ id }, { replayed }) => seen.push(replayed ? `${id} replayed` : id),
      onCursor: (cursor) => cursors.push(cursor),
      onReset: ({ reason }) => resets.push(reason),
      onState: (state) => states.push(state),
      ...options,
    });
    connection.open();
    await settled();
    return connection;
  }

  const socket = () => FakeSocket.all.at(-1);
  const phase = () => states.at(-1).phase;

  // Passes ms, and says whether a new attempt was made in them.
  async function comesBackAfter(t, ms) {
    const before = FakeSocket.all.length;
    t.mock.timers.tick(ms - 1);
    await settled();
    assert.equal(FakeSocket.all.length, before, "came back too early");
    t.mock.timers.tick(1);
    await settled();
    assert.equal(FakeSocket.all.length, before + 1, "did not come back");
  }

  it("puts its token into the subprotocol and its cursor into the URL", async (t) => {
    await connect(t, { cursor: "c7" });
    assert.deepEqual(socket().protocols, ["bellhop.v1", "bearer.token1"]);
    assert.equal(socket().url.href, "ws://service.test/ws?cursor=c7");
  });

  it("asks for no cursor when it has none", async (t) => {
    await connect(t);
    assert.equal(socket().url.href, "ws://service.test/ws");
  });

  it("tells the past from the present", async (t) => {
    await connect(t, { cursor: "c1" });
    assert.equal(phase(), "connecting");
    await socket().hears(welcome("c1"), told("a", "c2"));
    assert.equal(phase(), "catching-up");
    await socket().hears(live("c3"), told("b", "c4"), live("c5"));
    assert.equal(phase(), "live");
    assert.deepEqual(seen, ["a replayed", "b"]);
    assert.deepEqual(cursors, ["c1", "c2", "c3", "c4", "c5"]);
  });

  it("gives out a cursor only once its frame was handled", async (t) => {
    let done;
    await connect(t, { onNotification: () => new Promise((resolve) => (done = resolve)) });
    await socket().hears(welcome("c1"), live("c2"), told("a", "c3"), live("c4"));
    assert.deepEqual(cursors, ["c1", "c2"]);
    done();
    await settled();
    assert.deepEqual(cursors, ["c1", "c2", "c3", "c4"]);
  });

  it("comes back for what it failed to handle, and for all after it", async (t) => {
    let fails = true;
    await connect(t, {
      onNotification: ({ id }) => {
        if (fails) throw new Error("full");
        seen.push(id);
      },
    });
    await socket().hears(welcome("c1"), live("c2"), told("a", "c3"), told("b", "c4"));
    assert.deepEqual(cursors, ["c1", "c2"]);
    fails = false;
    await comesBackAfter(t, 250);
    assert.equal(socket().url.searchParams.get("cursor"), "c2");
    await socket().hears(welcome("c2"), told("a", "c3"), told("b", "c4"), live("c4"));
    assert.deepEqual(seen, ["a", "b"]);
  });

  it("drops repeats, but moves its cursor past them", async (t) => {
    await connect(t);
    await socket().hears(welcome("c1"), live("c2"), told("a", "c3"), told("a", "c4"));
    assert.deepEqual(seen, ["a"]);
    assert.equal(cursors.at(-1), "c4");
  });

  it("ignores events and members that it does not know", async (t) => {
    await connect(t);
    await socket().hears(welcome("c1"), { event: "novelty", cursor: "c2", data: 1, more: true }, live("c3"));
    assert.equal(phase(), "live");
    assert.deepEqual(cursors, ["c1", "c2", "c3"]);
  });

  it("hands over again, after a reset, what is still kept", async (t) => {
    await connect(t);
    await socket().hears(welcome("c1"), live("c2"), told("a", "c3"));
    await socket().ends(1006);
    await comesBackAfter(t, 250);
    await socket().hears(welcome("d0"), { event: "reset", cursor: "d0", data: { reason: "unknown" } }, told("a", "d1"), live("d2"));
    assert.deepEqual(resets, ["unknown"]);
    assert.deepEqual(seen, ["a", "a replayed"]);
  });

  it("waits longer with each failure, and a random part of that", async (t) => {
    await connect(t);
    for (const half of [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
      await socket().ends(1006);
      assert.deepEqual({ phase: phase(), wait: states.at(-1).wait }, { phase: "waiting", wait: half });
      await comesBackAfter(t, half);
    }
    await socket().hears(welcome("c1"), live("c2"));
    await socket().ends(1006);
    await comesBackAfter(t, 250);
  });

  it("comes back within the window of a restart", async (t) => {
    await connect(t);
    await socket().hears(welcome("c1"), live("c2"));
    await socket().ends(1012, "restart window=20");
    await comesBackAfter(t, 10_000);
    await socket().hears(welcome("c2"), live("c2"));
    await socket().hears({ event: "close", data: { code: 1012, reason: "restart window=8", reconnect: true, after: 8 } });
    await socket().ends(1006); // the close frame was lost, but the event said it
    await comesBackAfter(t, 4_000);
  });

  for (const code of [1002, 1003, 1007, 1008, 1009, 4403, 4409]) {
    it(`stays away after ${code} until it is opened again`, async (t) => {
      const connection = await connect(t);
      await socket().hears(welcome("c1"), live("c2"));
      await socket().ends(code, "why");
      assert.deepEqual(states.at(-1), { phase: "ended", code, reason: "why" });
      t.mock.timers.tick(1_000_000);
      await settled();
      assert.equal(FakeSocket.all.length, 1);
      connection.open();
      await settled();
      assert.equal(FakeSocket.all.length, 2);
    });
  }

  it("believes the close event over its own list", async (t) => {
    await connect(t);
    await socket().hears(welcome("c1"), { event: "close", data: { code: 4999, reason: "new", reconnect: false } });
    await socket().ends(4999);
    assert.equal(phase(), "ended");
  });

  it("asks for a new token when the old one expired", async (t) => {
    await connect(t);
    await socket().hears(welcome("c1"), live("c2"));
    await socket().ends(4401, "token-expired");
    await comesBackAfter(t, 250);
    assert.deepEqual(tokens, [false, true]);
    assert.deepEqual(socket().protocols, ["bellhop.v1", "bearer.token2"]);
  });

  it("asks why it was refused, and acts on the answer", async (t) => {
    await connect(t);
    globalThis.fetch = async (url, { headers }) => {
      assert.equal(String(url), "http://service.test/ws");
      assert.equal(headers.Authorization, "Bearer token1");
      return new Response(null, { status: 401 });
    };
    await socket().ends(1006);
    await comesBackAfter(t, 250);
    assert.deepEqual(tokens, [false, true]);

    globalThis.fetch = async () => new Response(null, { status: 503, headers: { "Retry-After": "7" } });
    await socket().ends(1006);
    await comesBackAfter(t, 7_500);

    globalThis.fetch = async () => new Response(null, { status: 403 });
    await socket().ends(1006);
    assert.equal(phase(), "ended");
  });

  it("is silent once closed, and resumes from its last cursor", async (t) => {
    const connection = await connect(t);
    const first = socket();
    await first.hears(welcome("c1"), live("c2"));
    connection.close();
    assert.equal(phase(), "offline");
    await first.hears(told("late", "c3"));
    await first.ends(1000);
    assert.deepEqual(seen, []);
    assert.equal(phase(), "offline");
    connection.open();
    await settled();
    assert.equal(socket().url.searchParams.get("cursor"), "c2");
  });

  it("finds a dead socket when asked to check", async (t) => {
    const connection = await connect(t);
    await socket().hears(welcome("c1"), live("c2"));
    connection.check();
    assert.deepEqual(socket().sent, [{ event: "ping" }]);
    await socket().hears({ event: "reply", data: {} });
    t.mock.timers.tick(60_000);
    assert.equal(phase(), "live");

    connection.check();
    t.mock.timers.tick(5_000);
    await settled();
    assert.equal(phase(), "waiting");
    connection.check(); // the network is back: no need to wait
    await settled();
    assert.equal(FakeSocket.all.length, 2);
  });

  it("does not hurry when the service said how long to wait", async (t) => {
    const connection = await connect(t);
    await socket().hears(welcome("c1"), live("c2"));
    await socket().ends(1012, "restart window=20");
    connection.check();
    await settled();
    assert.equal(FakeSocket.all.length, 1);
  });
});
