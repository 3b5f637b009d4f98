// A stand-in for the console's routes: its samples, audit lines and answers are those that a
// test chooses, such as hostile ones, or those of a cluster. The page is the real one.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const DIST = new URL("../../internal/webui/console/dist/", import.meta.url);
const TYPES = { html: "text/html; charset=utf-8", css: "text/css", js: "text/javascript", svg: "image/svg+xml" };
const POLICY = /** @type {string} */ (
  [...readFileSync(new URL("../../internal/webui/console.go", import.meta.url), "utf8").match(/const consolePolicy = ([^]*?)\n\n/)[1].matchAll(/"(.*?)"/g)].map(([, text]) => text).join("")
);

export const HELLO = {
  node: "a", version: "v1.2.3", revision: "abcdef0123456789", started: "2026-01-01T00:00:00Z", interval: 1, local: true,
  principal: "console", may: ["notify:admin", "notify:publish", "notify:broadcast", "notify:topics"],
};

export class ConsoleService {
  hello = HELLO;
  history = []; // of samples
  lines = []; // of the audit log
  token; // that is required, if any
  answers = {}; // by method and path below /console/api/: a value, or a function that returns one
  requests = []; // to /console/api/: [method, path, body]
  open = true; // whether the stream can be opened
  delay; // {path, until}: a request whose answer waits for a promise
  #streams = new Set();
  #server = createServer((request, response) => this.#serve(request, response));

  static async start() {
    const service = new ConsoleService();
    await once(service.#server.listen(0, "127.0.0.1"), "listening");
    service.origin = `http://127.0.0.1:${service.#server.address().port}`;
    return service;
  }

  /** The number of open streams. */
  get watchers() {
    return this.#streams.size;
  }

  /** Sends an event to every open stream. */
  send(event, data) {
    for (const stream of this.#streams) stream.write(frame(event, data));
  }

  /** Adds a sample to the history, and sends it. */
  sample(sample) {
    this.history.push(sample);
    this.send("sample", sample);
  }

  /** Ends the open streams. */
  drop() {
    for (const stream of this.#streams) stream.destroy();
  }

  async close() {
    this.drop();
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(request, response) {
    const { pathname, search } = new URL(request.url, this.origin);
    response.setHeader("Content-Security-Policy", POLICY);
    if (pathname === "/console/events") return this.#stream(request, response);
    if (pathname.startsWith("/console/api/")) return this.#answer(request, response, pathname.slice(13) + search);
    const file = pathname === "/console" ? "index.html" : pathname.replace(/^\/console\//, "");
    try {
      response.setHeader("Content-Type", TYPES[file.split(".").at(-1)] ?? "text/plain");
      response.end(readFileSync(new URL(file, DIST)));
    } catch {
      problem(response, 404, "Not found", "no such page");
    }
  }

  #admits(request, response) {
    if (!this.token || request.headers.authorization === `Bearer ${this.token}`) return true;
    problem(response, 401, "Not authenticated", request.headers.authorization ? "the token is not valid" : "a token is required");
    return false;
  }

  #stream(request, response) {
    if (!this.open) return problem(response, 503, "Unavailable", "too many consoles are open");
    if (!this.#admits(request, response)) return;
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(frame("hello", this.hello) + frame("history", this.history) + this.lines.map((line) => frame("audit", line)).join(""));
    this.#streams.add(response);
    response.on("close", () => this.#streams.delete(response));
  }

  async #answer(request, response, path) {
    let body = "";
    for await (const chunk of request) body += chunk;
    this.requests.push([request.method, path, body ? JSON.parse(body) : undefined]);
    if (!this.#admits(request, response)) return;
    if (request.method !== "GET" && request.headers["bellhop-console"] !== "1") return problem(response, 403, "Origin", "the header Bellhop-Console is missing");
    if (this.delay && path.startsWith(this.delay.path)) {
      this.delayed = new Promise((resolve) => response.on("close", resolve));
      await this.delay.until;
    }
    let answer = this.answers[`${request.method} ${path}`] ?? this.answers[`${request.method} ${path.split("?")[0]}`];
    if (typeof answer === "function") answer = answer(path, body && JSON.parse(body));
    if (answer === undefined) return problem(response, 404, "Not found", "there is no such notification");
    if (answer.status) return problem(response, answer.status, answer.title, answer.detail, answer.errors);
    if (answer === 204) return response.writeHead(204).end();
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(answer));
  }
}

const frame = (event, data) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

function problem(response, status, title, detail, errors) {
  response.writeHead(status, { "Content-Type": "application/problem+json" });
  response.end(JSON.stringify({ type: "urn:bellhop:problem:test", title, status, detail, errors }));
}

/** Returns the samples of so many seconds until a time, of a service with traffic. */
export function samples(seconds, end = Date.now()) {
  return Array.from({ length: seconds }, (_, i) => sampleAt(end - (seconds - 1 - i) * 1000));
}

/** Returns the sample of a time. It is the same each time. */
export function sampleAt(time) {
  const t = Math.floor(time / 1000);
  const noise = (seed) => { const x = Math.sin(t * 12.9898 + seed * 78.233) * 43758.5453; return x - Math.floor(x); };
  const wave = 0.6 + 0.4 * Math.sin(t / 60) + 0.25 * Math.sin(t / 17);
  const busy = Math.max(0.1, wave);
  const ms = (base, seed) => ({ p50: base * (1 + noise(seed) * 0.3), p95: base * (2.2 + noise(seed + 1)), p99: base * (3.5 + noise(seed + 2) * 4) });
  return {
    time, ready: true, reason: "",
    connections: { websocket: Math.round(1180 + 90 * Math.sin(t / 80) + noise(1) * 6), events: Math.round(210 + 20 * Math.sin(t / 50)) },
    connections_limit: 10000, opened: Math.round(noise(2) * 4),
    publishes: { stored: Math.round(60 * busy + noise(3) * 14), ephemeral: Math.round(9 * busy * noise(4)), duplicate: noise(5) > 0.9 ? 2 : 0 },
    deliveries: Math.round(820 * busy + noise(6) * 120),
    closes: { "1000 normal": noise(7) > 0.6 ? 1 : 0, "4408 slow": noise(8) > 0.97 ? 2 : 0, "1001 going-away": noise(9) > 0.8 ? Math.ceil(noise(10) * 3) : 0 },
    refusals: { limit: noise(11) > 0.92 ? Math.ceil(noise(12) * 5) : 0, "token-expired": noise(13) > 0.95 ? 1 : 0 },
    publish_ms: ms(0.5 * (0.7 + busy / 2), 20), delivery_ms: ms(0.8 * (0.7 + busy / 2), 30),
    commit: { groups: Math.round(40 * busy), entries: Math.round(70 * busy), p50_ms: 0.2 + noise(14) * 0.1, p99_ms: 0.9 + noise(15) },
    sync_ms: { p50: 0.12 + noise(16) * 0.05, p99: 0.4 + noise(17) * 0.4 },
    queued_bytes: Math.round(noise(18) * 40000 * busy), queued_bytes_limit: 268435456,
    store: { notification_bytes: 48e6 + (t % 100000) * 900, removal_bytes: 6e6, other_bytes: 3e6, limit_bytes: 0, disk_bytes: 31e6 },
    disk: { free_bytes: 41e9, size_bytes: 100e9, reserve_bytes: 268435456 },
    process: { rss_bytes: 118e6 + 8e6 * Math.sin(t / 40), heap_bytes: 42e6 + 12e6 * noise(19), goroutines: Math.round(1450 + 30 * Math.sin(t / 30)), open_files: 1420, cpu_percent: 18 * busy + noise(20) * 4 },
    sequence: t % 100000,
  };
}
