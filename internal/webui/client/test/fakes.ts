// Fakes of the browser's sockets, fetch, locks, channels, storage and time,
// controlled by the tests.

import { afterEach, beforeEach, vi } from "vitest";
import { connect } from "../src/index.js";
import type { Bell } from "../src/bell.js";
import type { Events, Frame, Options } from "../src/types.js";

/** Runs all pending callbacks that need no time. */
export const settle = () => vi.advanceTimersByTimeAsync(0);
export const advance = (ms: number) => vi.advanceTimersByTimeAsync(ms);

export class FakeSocket {
  static all: FakeSocket[] = [];
  onmessage: (event: { data: string }) => void = () => {};
  onclose: (event: { code: number; reason: string }) => void = () => {};
  sent: Frame[] = []; // without pings
  pings = 0;
  dropsSent = false; // messages to the service are lost
  open = true;
  url: URL;

  constructor(
    url: URL | string,
    readonly protocols: string[],
  ) {
    this.url = new URL(url);
    FakeSocket.all.push(this);
    if (!browser.network) queueMicrotask(() => this.open && this.closes(1006));
  }

  get cursor() {
    return this.url.searchParams.get("cursor");
  }

  send(text: string) {
    const frame = JSON.parse(text);
    if (frame.event !== "ping") this.sent.push(frame);
    else if (++this.pings && !this.dropsSent) queueMicrotask(() => this.open && this.onmessage({ data: '{"event":"reply","data":{}}' }));
  }

  close(code = 1000) {
    if (this.open) queueMicrotask(() => this.closes(code));
    this.open = false;
  }

  async receives(...frames: Frame[]) {
    for (const frame of frames) this.onmessage({ data: JSON.stringify(frame) });
    await settle();
  }

  async closes(code: number, reason = "") {
    this.open = false;
    this.onclose({ code, reason });
    await settle();
  }
}

/** The newest socket, and the open ones. */
export const socket = () => FakeSocket.all.at(-1)!;
export const opened = () => FakeSocket.all.filter(({ open }) => open);

export class FakeChannel {
  static all = new Set<FakeChannel>();
  onmessage: (event: { data: unknown }) => void = () => {};
  constructor(readonly name: string) {
    browser.refuse("BroadcastChannel");
    FakeChannel.all.add(this);
  }
  postMessage(data: unknown) {
    browser.refuse("postMessage");
    browser.messages.push(data);
    if (browser.refused.has("delivery")) return;
    const copy = structuredClone(data);
    for (const other of FakeChannel.all) {
      if (other !== this && other.name === this.name) {
        queueMicrotask(() => FakeChannel.all.has(other) && other.onmessage({ data: copy }));
      }
    }
  }
  close() {
    FakeChannel.all.delete(this);
  }
}

interface Request {
  run(): Promise<unknown>;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** The part of Web Locks that the client uses: exclusive locks, with signal and steal. */
export class FakeLocks {
  requests = 0;
  announcesSteals = true; // false: as for a suspended tab, the request is not rejected
  #held = new Map<string, Request>();
  #queue = new Map<string, Request[]>();

  request(name: string, ...rest: any[]): Promise<unknown> {
    this.requests++;
    try {
      browser.refuse("locks");
    } catch (error) {
      return Promise.reject(error);
    }
    const callback = rest.pop();
    const { signal, steal }: { signal?: AbortSignal; steal?: boolean } = rest.pop() ?? {};
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const request: Request = { run: async () => callback(), resolve, reject };
      const queue = this.#queue.get(name) ?? [];
      this.#queue.set(name, queue);
      if (steal) {
        if (this.announcesSteals) this.#held.get(name)?.reject(new DOMException("stolen", "AbortError"));
        this.#held.delete(name);
        queue.unshift(request);
      } else queue.push(request);
      signal?.addEventListener("abort", () => {
        if (!queue.includes(request)) return;
        queue.splice(queue.indexOf(request), 1);
        reject(new DOMException("aborted", "AbortError"));
      });
      queueMicrotask(() => this.#grant(name));
    });
  }

  #grant(name: string) {
    const next = !this.#held.has(name) && this.#queue.get(name)!.shift();
    if (!next) return;
    this.#held.set(name, next);
    next
      .run()
      .then(next.resolve, next.reject)
      .finally(() => {
        if (this.#held.get(name) !== next) return; // stolen
        this.#held.delete(name);
        this.#grant(name);
      });
  }
}

export class FakeStorage {
  items = new Map<string, string>();
  getItem = (key: string) => this.items.get(key) ?? null;
  setItem = (key: string, value: string) => void this.items.set(key, value);
  removeItem = (key: string) => void this.items.delete(key);
  key = (at: number) => [...this.items.keys()][at] ?? null;
  get length() {
    return this.items.size;
  }
}

/** The state of the browser; reset before each test. */
export const browser = {
  onLine: true,
  network: true,
  refused: new Set<string>(), // features that exist but throw
  refuse(feature: string) {
    if (this.refused.has(feature)) throw new DOMException(`${feature} refused`, "SecurityError");
  },
  visibilityState: "visible",
  storage: new FakeStorage(),
  fetch: vi.fn<(url: URL, init: RequestInit) => Promise<Response>>(), // used if network is true
  errors: [] as unknown[],
  console: [] as unknown[][],
  messages: [] as any[], // between tabs
};

let events: EventTarget;
let documentEvents: EventTarget;
let bells: Bell[] = [];

export const dispatch = async (name: string) => {
  (name === "visibilitychange" ? documentEvents : events).dispatchEvent(new Event(name));
  await settle();
};

export async function setOnline(online: boolean) {
  browser.onLine = browser.network = online;
  await dispatch(online ? "online" : "offline");
}

export function jwt(claims: object): string {
  return `e30.${btoa(JSON.stringify(claims)).replace(/=/g, "").replace(/\+/g, "-").replace(/\//g, "_")}.sig`;
}

/** Returns a token() of a user, and the `fresh` argument of each call. */
export function tokens(user = "ada") {
  const freshArguments: boolean[] = [];
  const token = async ({ fresh }: { fresh: boolean }) => jwt({ sub: user, n: freshArguments.push(fresh) });
  return { freshArguments, token, nth: (n: number) => jwt({ sub: user, n }) };
}

/** Opens the Bell of a tab, and records its events. */
export async function open(options: Partial<Options> = {}) {
  const defaults: Options = { url: "https://bell.test/base", token: tokens().token };
  const bell = connect(Object.defineProperties(defaults, Object.getOwnPropertyDescriptors(options)));
  bells.push(bell);
  const received: Partial<Record<keyof Events, any[]>> = {};
  for (const event of ["notification", "inbox", "live", "reset", "welcome", "close", "state"] as const) {
    received[event] = [];
    bell.on(event, (value) => void received[event]!.push(value));
  }
  await settle();
  return { bell, received, ids: () => received.notification!.map(({ id }) => id) };
}

export const welcome = (cursor: string, data = {}): Frame => ({ event: "welcome", cursor, data: { ping: 25, ...data } });
export const live = (cursor: string, unread_count = 0): Frame => ({ event: "live", cursor, data: { unread_count } });
export const notification = (id: string, cursor?: string, data = {}): Frame => ({ event: "notification", cursor, data: { id, ...data } }) as Frame;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  FakeSocket.all = [];
  FakeChannel.all.clear();
  Object.assign(browser, { onLine: true, network: true, refused: new Set(), visibilityState: "visible", storage: new FakeStorage(), errors: [], console: [], messages: [] });
  vi.spyOn(console, "error").mockImplementation((...words) => void browser.console.push(words));
  browser.fetch.mockReset().mockRejectedValue(new TypeError("no network"));
  events = new EventTarget();
  documentEvents = new EventTarget();
  vi.stubGlobal("navigator", { get onLine() { return browser.onLine; }, locks: new FakeLocks() });
  if (!globalThis.document) vi.stubGlobal("document", {
    get visibilityState() { return browser.visibilityState; },
    addEventListener: documentEvents.addEventListener.bind(documentEvents),
  });
  vi.stubGlobal("addEventListener", events.addEventListener.bind(events));
  Object.defineProperty(globalThis, "localStorage", { configurable: true, get: () => (browser.refuse("localStorage"), browser.storage) });
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("BroadcastChannel", FakeChannel);
  vi.stubGlobal("fetch", async (url: URL, init: RequestInit) => (browser.network ? browser.fetch(url, init) : Promise.reject(new TypeError("no network"))));
  vi.stubGlobal("reportError", (error: unknown) => browser.errors.push(error));
});

afterEach(async () => {
  bells.forEach((bell) => bell.close());
  bells = [];
  await settle();
  delete (globalThis as { localStorage?: unknown }).localStorage;
  const left = vi.getTimerCount();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  if (left > 0) throw new Error(`${left} timers are still pending`);
});
