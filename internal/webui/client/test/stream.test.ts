import { describe, expect, it } from "vitest";
import { parser } from "../src/stream.js";
import type { Frame } from "../src/types.js";
import { browser, FakeSocket, happens, open, opened, pass, settled, socket, tokens } from "./stage.js";

const WELCOME = 'id: c1\nevent: welcome\ndata: {"ping":25}\n\n';
const LIVE = 'id: c2\nevent: live\ndata: {"unread_count":3}\n\n';

describe("the parser", () => {
  const text = `: ping\n\n${WELCOME}retry: 5\nid: c3\nevent: notification\ndata: {"id":"ä\\n: x"}\n\nevent:live\ndata:{}\n\nevent: half\nda`;
  const want = [
    { event: "welcome", cursor: "c1", data: { ping: 25 } },
    { event: "notification", cursor: "c3", data: { id: "ä\n: x" } },
    { event: "live", cursor: undefined, data: {} },
  ];

  it("reads events, wherever the text is cut", () => {
    for (let size = 1; size <= text.length; size++) {
      const got: Frame[] = [];
      const read = parser((frame) => got.push(frame));
      for (let i = 0; i < text.length; i += size) read(text.slice(i, i + size));
      expect(got).toEqual(want);
    }
  });
});

/** A service whose event streams work, and on which probes pass. */
function service() {
  const streams: { url: URL; headers: unknown; say(text: string): Promise<void>; end(): Promise<void>; aborted(): boolean }[] = [];
  browser.fetch.mockImplementation(async (url, init) => {
    if (url.pathname.endsWith("/ws")) return new Response(null, { status: 426 });
    let body: ReadableStreamDefaultController<Uint8Array>;
    const stream = new ReadableStream<Uint8Array>({ start: (controller) => void (body = controller) });
    init.signal!.addEventListener("abort", () => body.error(new DOMException("aborted", "AbortError")));
    streams.push({
      url,
      headers: init.headers,
      say: async (text) => {
        body.enqueue(new TextEncoder().encode(text));
        for (let i = 0; i < 5; i++) await settled();
      },
      end: async () => {
        body.close();
        for (let i = 0; i < 5; i++) await settled();
      },
      aborted: () => init.signal!.aborted,
    });
    return new Response(stream);
  });
  return streams;
}

/** Lets the socket fail twice, after which the stream stands in. */
async function blocked(options = {}) {
  const streams = service();
  const tab = await open({ share: false, ...options });
  await socket().ends(1006);
  await pass(250);
  await socket().ends(1006);
  await pass(500);
  expect(streams.length).toBe(1);
  return { ...tab, streams };
}

describe("where sockets do not get through", () => {
  it("the event stream stands in", async () => {
    const { token, nth } = tokens();
    const { bell, ids, streams } = await blocked({ cursor: "c0", token });
    expect(streams[0]!.url.href).toBe("https://bell.test/base/events?cursor=c0");
    expect(streams[0]!.headers).toEqual({ Authorization: `Bearer ${nth(3)}` });
    await streams[0]!.say(WELCOME + 'id: c2\nevent: notification\ndata: {"id":"a"}\n\n' + LIVE);
    expect(bell.state).toBe("open");
    expect(ids()).toEqual(["a"]);
    expect(bell.unreadCount).toBe(3);
  });

  it("one failed handshake is not taken for that", async () => {
    const streams = service();
    await open({ share: false });
    await socket().ends(1006);
    await pass(250);
    expect([FakeSocket.all.length, streams.length]).toEqual([2, 0]);
  });

  it("a lost stream is resumed by a stream", async () => {
    const { streams } = await blocked();
    await streams[0]!.say(WELCOME + LIVE);
    await pass(6_000);
    await streams[0]!.end();
    await pass(250);
    expect(streams[1]!.url.searchParams.get("cursor")).toBe("c2");
    expect(opened()).toEqual([]);
  });

  it("a socket is tried again later, once", async () => {
    const { bell, streams } = await blocked();
    await streams[0]!.say(WELCOME + LIVE);
    for (let spent = 0; spent < 600_000; spent += 20_000) {
      expect(FakeSocket.all.length).toBe(2);
      await streams[0]!.say(": ping\n\n");
      await pass(20_000);
    }
    await pass(250);
    expect(streams[0]!.aborted()).toBe(true);
    expect(FakeSocket.all.length).toBe(3);
    expect(socket().cursor).toBe("c2");
    await socket().ends(1006);
    await pass(500);
    expect(streams.length).toBe(2);
    await streams[1]!.say(WELCOME);
    expect(bell.state).toBe("open");
  });

  it("and no stream either, the socket is tried next", async () => {
    const { streams } = await blocked();
    await streams[0]!.end();
    await pass(1_000);
    expect([FakeSocket.all.length, streams.length]).toEqual([3, 1]);
  });

  it("the close event of a stream counts", async () => {
    const { bell, streams } = await blocked();
    await streams[0]!.say(WELCOME + 'event: close\ndata: {"code":4403,"reason":"token-revoked","reconnect":false,"after":0}\n\n');
    expect(bell.state).toBe("closed");
  });

  it("a silent stream is given up", async () => {
    const { bell, heard, streams } = await blocked();
    await streams[0]!.say(WELCOME + LIVE);
    await pass(45_000);
    await streams[0]!.say(": ping\n\n");
    await pass(45_000);
    await happens("visibilitychange");
    expect(bell.state).toBe("open");
    await pass(60_000);
    expect(heard.close!.map(({ reason }) => reason)).toContain("silent");
    expect(streams[0]!.aborted()).toBe(true);
  });
});
