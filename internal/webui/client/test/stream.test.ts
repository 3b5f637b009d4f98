import { describe, expect, it } from "vitest";
import { parser } from "../src/stream.js";
import type { Frame } from "../src/types.js";
import { browser, FakeSocket, dispatch, open, opened, advance, settle, socket, tokens } from "./fakes.js";

const WELCOME = 'id: c1\nevent: welcome\ndata: {"ping":25}\n\n';
const LIVE = 'id: c2\nevent: live\ndata: {"unread_count":3}\n\n';

describe("the parser", () => {
  const text = `: ping\n\n${WELCOME}retry: 5\nid: c3\nevent: notification\ndata: {"id":"ä\\n: x"}\n\nevent:live\ndata:{}\n\nevent: half\nda`;
  const want = [
    { event: "welcome", cursor: "c1", data: { ping: 25 } },
    { event: "notification", cursor: "c3", data: { id: "ä\n: x" } },
    { event: "live", cursor: undefined, data: {} },
  ];

  it("parses events from pieces of any size", () => {
    for (let size = 1; size <= text.length; size++) {
      const got: Frame[] = [];
      const read = parser((frame) => got.push(frame));
      for (let i = 0; i < text.length; i += size) read(text.slice(i, i + size));
      expect(got).toEqual(want);
    }
  });
});

/** Simulates a service with event streams that answers 426 to probes. */
function service() {
  const streams: { url: URL; headers: unknown; send(text: string): Promise<void>; end(): Promise<void>; aborted(): boolean }[] = [];
  browser.fetch.mockImplementation(async (url, init) => {
    if (url.pathname.endsWith("/ws")) return new Response(null, { status: 426 });
    let body: ReadableStreamDefaultController<Uint8Array>;
    const stream = new ReadableStream<Uint8Array>({ start: (controller) => void (body = controller) });
    init.signal!.addEventListener("abort", () => body.error(new DOMException("aborted", "AbortError")));
    streams.push({
      url,
      headers: init.headers,
      send: async (text) => {
        body.enqueue(new TextEncoder().encode(text));
        for (let i = 0; i < 5; i++) await settle();
      },
      end: async () => {
        body.close();
        for (let i = 0; i < 5; i++) await settle();
      },
      aborted: () => init.signal!.aborted,
    });
    return new Response(stream);
  });
  return streams;
}

/** Lets two sockets fail, after which the client uses an event stream. */
async function openWithoutSockets(options = {}) {
  const streams = service();
  const tab = await open({ share: false, ...options });
  await socket().closes(1006);
  await advance(250);
  await socket().closes(1006);
  await advance(500);
  expect(streams.length).toBe(1);
  return { ...tab, streams };
}

describe("if sockets are blocked", () => {
  it("the client uses an event stream", async () => {
    const { token, nth } = tokens();
    const { bell, ids, streams } = await openWithoutSockets({ cursor: "c0", token });
    expect(streams[0]!.url.href).toBe("https://bell.test/base/events?cursor=c0");
    expect(streams[0]!.headers).toEqual({ Authorization: `Bearer ${nth(3)}` });
    await streams[0]!.send(WELCOME + 'id: c2\nevent: notification\ndata: {"id":"a"}\n\n' + LIVE);
    expect(bell.state).toBe("open");
    expect(ids()).toEqual(["a"]);
    expect(bell.unreadCount).toBe(3);
  });

  it("a single failed handshake does not count as blocked", async () => {
    const streams = service();
    await open({ share: false });
    await socket().closes(1006);
    await advance(250);
    expect([FakeSocket.all.length, streams.length]).toEqual([2, 0]);
  });

  it("a lost stream is resumed by another stream", async () => {
    const { streams } = await openWithoutSockets();
    await streams[0]!.send(WELCOME + LIVE);
    await advance(6_000);
    await streams[0]!.end();
    await advance(250);
    expect(streams[1]!.url.searchParams.get("cursor")).toBe("c2");
    expect(opened()).toEqual([]);
  });

  it("one socket is tried again later", async () => {
    const { bell, streams } = await openWithoutSockets();
    await streams[0]!.send(WELCOME + LIVE);
    for (let spent = 0; spent < 600_000; spent += 20_000) {
      expect(FakeSocket.all.length).toBe(2);
      await streams[0]!.send(": ping\n\n");
      await advance(20_000);
    }
    await advance(250);
    expect(streams[0]!.aborted()).toBe(true);
    expect(FakeSocket.all.length).toBe(3);
    expect(socket().cursor).toBe("c2");
    await socket().closes(1006);
    await advance(500);
    expect(streams.length).toBe(2);
    await streams[1]!.send(WELCOME);
    expect(bell.state).toBe("open");
  });

  it("and the stream fails too, a socket is tried next", async () => {
    const { streams } = await openWithoutSockets();
    await streams[0]!.end();
    await advance(1_000);
    expect([FakeSocket.all.length, streams.length]).toEqual([3, 1]);
  });

  it("the close event of a stream is followed", async () => {
    const { bell, streams } = await openWithoutSockets();
    await streams[0]!.send(WELCOME + 'event: close\ndata: {"code":4403,"reason":"token-revoked","reconnect":false,"after":0}\n\n');
    expect(bell.state).toBe("closed");
  });

  it("a silent stream is closed", async () => {
    const { bell, received, streams } = await openWithoutSockets();
    await streams[0]!.send(WELCOME + LIVE);
    await advance(45_000);
    await streams[0]!.send(": ping\n\n");
    await advance(45_000);
    await dispatch("visibilitychange");
    expect(bell.state).toBe("open");
    await advance(60_000);
    expect(received.close!.map(({ reason }) => reason)).toContain("silent");
    expect(streams[0]!.aborted()).toBe(true);
  });
});
