// A proxy between browsers and the service that simulates faults of networks. It works
// on bytes, so that faults affect WebSockets, event streams and requests alike.

import { once } from "node:events";
import { connect, createServer } from "node:net";

const BAD_GATEWAY =
  "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 20\r\nConnection: close\r\n\r\n<h1>Bad gateway</h1>";

/** The faults of a connection, by name. Each function handles a chunk that is being sent to one side. */
const FAULTS = {
  /** Nothing arrives in either direction, and neither side is notified. */
  blackhole: (pair) => pair.blackhole(),
  /** Everything arrives later, in order. */
  delay: (pair, to, chunk, random) => pair.write(to, chunk, 200 + 1500 * random()),
  /** The connection is reset. */
  reset: (pair) => pair.reset(),
  /** A part arrives, then the connection ends. */
  truncate: (pair, to, chunk, random) => {
    to.write(chunk.subarray(0, Math.floor(chunk.length * random())));
    pair.end();
  },
  /** A few bytes arrive at a time. */
  slow: (pair, to, chunk) => {
    for (let i = 0; i < chunk.length; i += 64) pair.write(to, chunk.subarray(i, i + 64), 20);
  },
  /** A gateway answers requests with an error, and resets open connections. */
  "502": (pair, to, chunk) => {
    if (to === pair.browser || !/^[A-Z]+ \S+ HTTP\//.test(chunk.toString("latin1", 0, 2000))) return pair.reset();
    pair.browser.write(BAD_GATEWAY);
    pair.end();
  },
};

export const KINDS = Object.keys(FAULTS);

/** A connection of a browser, and its connection to the service. */
class Pair {
  open = true; // data is forwarded
  #queue = Promise.resolve(); // keeps delayed chunks in order

  constructor(browser, service) {
    this.browser = browser;
    this.service = service;
  }

  /** Writes a chunk to a side after all earlier chunks and a delay of ms. */
  write(to, chunk, ms = 0) {
    this.#then(ms, () => to.writable && to.write(chunk));
  }

  /** Ends the browser's side after the service has ended its own. */
  finish() {
    this.#then(0, () => this.browser.end());
  }

  blackhole() {
    this.open = false;
    this.service.destroy();
  }

  reset() {
    this.open = false;
    this.browser.resetAndDestroy();
    this.service.destroy();
  }

  end() {
    this.open = false;
    this.browser.end();
    this.service.end();
  }

  #then(ms, act) {
    const wait = ms ? () => new Promise((done) => setTimeout(done, ms)) : () => {};
    this.#queue = this.#queue.then(wait).then(() => this.open && act());
  }
}

export class Proxy {
  /** The address for browsers. */
  origin;
  /** The name of the current fault, or undefined. */
  fault;

  #target; // returns the port of the service, which a restart may change
  #random;
  #ping;
  #pairs = new Set();
  #server = createServer((browser) => this.#accept(browser));

  /**
   * Opens a proxy to a service. ping, a number of seconds with one digit, replaces the
   * ping interval in the service's welcome, so that clients detect silence sooner.
   */
  static async open(service, { random = Math.random, ping } = {}) {
    const proxy = new Proxy();
    proxy.#target = () => Number(new URL(service.origin).port);
    proxy.#random = random;
    proxy.#ping = ping && [Buffer.from('"ping":25'), Buffer.from(`"ping": ${ping}`)];
    await once(proxy.#server.listen(0, "127.0.0.1"), "listening");
    proxy.origin = `http://127.0.0.1:${proxy.#server.address().port}`;
    return proxy;
  }

  close() {
    this.#server.close();
    for (const pair of this.#pairs) pair.reset();
  }

  /** Stops forwarding on all open connections. New ones work. */
  blackhole() {
    for (const pair of this.#pairs) pair.blackhole();
  }

  #accept(browser) {
    const pair = new Pair(browser, connect(this.#target(), "127.0.0.1"));
    this.#pairs.add(pair);
    browser.on("error", () => {}).on("close", () => {
      pair.service.destroy();
      this.#pairs.delete(pair);
    });
    pair.service.on("error", () => {}).on("close", () => pair.finish()); // has no effect on a blackholed connection
    browser.on("data", (chunk) => this.#pass(pair, pair.service, chunk));
    pair.service.on("data", (chunk) => this.#pass(pair, browser, this.#rewritten(chunk)));
  }

  #pass(pair, to, chunk) {
    if (!pair.open) return;
    if (this.fault) FAULTS[this.fault](pair, to, chunk, this.#random);
    else pair.write(to, chunk);
  }

  #rewritten(chunk) {
    if (!this.#ping) return chunk;
    const [original, replacement] = this.#ping;
    const at = chunk.indexOf(original);
    if (at >= 0) replacement.copy(chunk, at);
    return chunk;
  }
}

/** Returns a generator of random numbers that depend only on the seed. */
export function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
