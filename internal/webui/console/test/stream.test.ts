import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Token } from "../src/api.js";
import { Stream, type State } from "../src/stream.js";
import type { Sample } from "../src/types.js";

let states: State[], samples: Sample[], requests: RequestInit[], answer: (init: RequestInit) => Promise<Response>;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  states = [];
  samples = [];
  requests = [];
  vi.stubGlobal("fetch", (_: string, init: RequestInit) => {
    requests.push(init);
    return answer(init);
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
const phases = () => states.map(({ phase }) => phase);
const event = (name: string, data: unknown) => new TextEncoder().encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
const problem = (status: number, detail: string) => new Response(JSON.stringify({ title: "Title", detail }), { status });

/** A stream that the test writes to. */
function body() {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const stream = new ReadableStream<Uint8Array>({ start: (c) => void (controller = c) });
  return { controller, response: new Response(stream) };
}

function open(token = new Token()) {
  const ignore = () => {};
  const stream = new Stream(token, { state: (s) => states.push(s), hello: ignore, history: ignore, audit: ignore, sample: (s) => samples.push(s) });
  stream.open();
  return stream;
}

it.each([401, 403, 431])("asks for another token after %d", async (status) => {
  answer = async () => problem(status, "no");
  open();
  await settle(60_000);
  expect(phases()).toEqual(["connecting", "refused"]);
  expect(requests.length).toBe(1);
});

it("sends a token that no header can have in a form that the service refuses", async () => {
  const token = new Token();
  token.value = "tök€n\u0000 x";
  expect(new Headers(token.headers()).get("Authorization")).toBe("Bearer t?k?n??x");
});

it("passes on samples, and reconnects after a pause when the stream ends", async () => {
  let opened = body();
  answer = async () => opened.response;
  open();
  await settle();
  opened.controller.enqueue(event("hello", {}));
  opened.controller.enqueue(event("sample", { time: 1, ready: true }));
  await settle();
  expect(samples).toEqual([{ time: 1, ready: true }]);
  expect(phases()).toEqual(["connecting", "live"]);

  const { controller } = opened;
  opened = body();
  controller.close();
  await settle();
  expect(phases()).toEqual(["connecting", "live", "lost"]);
  await settle(999);
  expect(requests.length).toBe(1);
  await settle(1);
  expect(requests.length).toBe(2);
  opened.controller.enqueue(event("hello", {}));
  await settle();
  expect(phases().at(-1)).toBe("live");
});

it("takes a silent stream for lost", async () => {
  const opened = body();
  answer = async ({ signal }) => {
    signal!.addEventListener("abort", () => opened.controller.error(new Error("aborted")));
    return opened.response;
  };
  open();
  await settle();
  opened.controller.enqueue(event("hello", {}));
  await settle(9_999);
  expect(phases().at(-1)).toBe("live");
  await settle(1);
  expect(states.at(-1)).toMatchObject({ phase: "lost", why: "nothing was received for 10 seconds" });
});

it("waits longer after each failure, at most 15 seconds, and remembers since when", async () => {
  answer = () => Promise.reject(new TypeError("failed"));
  open();
  await settle();
  const since = Date.now();
  for (const pause of [1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
    expect(states.at(-1)).toMatchObject({ phase: "lost", since, retryAt: Date.now() + pause });
    await settle(pause);
  }
});

it("tells the problem of a refusal, and tries at once when asked", async () => {
  answer = async () => problem(503, "too many consoles are open");
  const stream = open();
  await settle();
  expect(states.at(-1)).toMatchObject({ phase: "lost", why: "503 too many consoles are open" });
  stream.retry();
  await settle();
  expect(requests.length).toBe(2);
});

it.each([401, 403])("does not try again without another token after %d", async (status) => {
  answer = async () => problem(status, "no");
  open();
  await settle(600_000);
  expect(requests.length).toBe(1);
  expect(states.at(-1)).toMatchObject({ phase: "refused", problem: { status, detail: "no" } });
});

it("sends the token in a header", async () => {
  answer = () => new Promise(() => {});
  const token = new Token();
  token.value = "secret";
  open(token);
  await settle();
  expect(requests[0]!.headers).toMatchObject({ Authorization: "Bearer secret" });
});

it("closes the stream, and opens another in its place", async () => {
  answer = () => new Promise(() => {});
  const stream = open();
  await settle();
  stream.open();
  await settle();
  expect(requests.map(({ signal }) => signal!.aborted)).toEqual([true, false]);
  stream.close();
  expect(requests[1]!.signal!.aborted).toBe(true);
  await settle(60_000);
  expect(requests.length).toBe(2);
});
