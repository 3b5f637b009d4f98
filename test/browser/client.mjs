// Runs the real service, and opens tabs with the browser client.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";

export const SECRET = "a-secret-of-thirty-two-bytes-or-more";

/** Runs `bellhop serve`. Restarts keep the address and the store. */
export class Service {
  #bin;
  #data;
  #listen = "127.0.0.1:0"; // the same after a restart
  #process;
  #ended;
  #admin = "127.0.0.1:0"; // of the admin listener; the same after a restart
  #env;

  constructor(bin, data, home, base = "", env = {}) {
    this.home = home; // origin of the page
    this.#env = { BELLHOP_JWT_SECRET: SECRET, BELLHOP_ALLOWED_ORIGINS: home, BELLHOP_DRAIN_WINDOW: "1", BELLHOP_BASE_PATH: base, ...env };
    this.#bin = bin;
    this.#data = data;
  }

  get origin() {
    return `http://${this.#listen}`;
  }

  /** The origin of the admin listener. */
  get admin() {
    return `http://${this.#admin}`;
  }

  async start(port) {
    if (port) this.#listen = `127.0.0.1:${port}`;
    const args = ["serve", "--listen", this.#listen, "--admin-listen", this.#admin, "--data-dir", join(this.#data, "store"), "--log-format", "text"];
    this.#process = spawn(this.#bin, args, { env: this.#env, stdio: ["ignore", "ignore", "pipe"] });
    this.#ended = once(this.#process, "exit");
    const [, listen, admin] = await new Promise((resolve, reject) => {
      let output = "";
      this.#process.stderr.on("data", (chunk) => {
        output += chunk;
        const found = /msg=listening public=(\S+) admin=(\S+)/.exec(output);
        if (found) resolve(found);
      });
      this.#ended.then(() => reject(new Error(`bellhop serve ended:\n${output}`)), reject);
    });
    this.#listen = listen;
    this.#admin = admin;
  }

  async stop(signal = "SIGTERM") {
    this.#process.kill(signal);
    const [code] = await this.#ended;
    return code;
  }

  token(user, ttl, ...scopes) {
    const args = ["token", "--user", user, "--ttl", ttl, ...scopes.flatMap((scope) => ["--scope", scope])];
    return execFileSync(this.#bin, args, { env: this.#env, encoding: "utf8" }).trim();
  }

  /** Returns a token of Ada that expires in this many seconds; a negative number means that it has expired. */
  tokenEnding(seconds) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: "ada", exp: Math.floor(Date.now() / 1000) + seconds })}`;
    return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
  }

  /** Publishes a notification to Ada for each title, with these members. */
  async publish(titles, members = {}) {
    const notifications = [titles].flat().map((title) => ({ to: { users: ["ada"] }, type: "test", title, ...members }));
    const answer = await this.ask("POST", "/notify/batch", { notifications }, this.token("backend", "1h", "notify:publish"));
    assert.deepEqual(answer.results.map(({ status }) => status), notifications.map(() => 202));
    return answer.results.map(({ id }) => id);
  }

  async ask(method, path, body, token = this.token("ada", "1h")) {
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    const answer = await fetch(this.origin + path, { method, headers, body: body && JSON.stringify(body) });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer.status === 204 ? undefined : answer.json();
  }

  /** The sum of a metric over its labels. */
  async metric(name) {
    const lines = (await (await fetch(`${this.admin}/metrics`)).text()).split("\n");
    const own = lines.filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
    return own.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }

  connections = () => this.metric("bellhop_connections");
}

/** Opens a tab that connects as Ada, and returns when it is live. */
export async function open(context, service, origin = service.origin, token = () => service.token("ada", "1h")) {
  const page = await context.newPage();
  const pageErrors = [];
  await page.exposeFunction("makeToken", token);
  page.on("pageerror", (error) => pageErrors.push(error.message));
  await page.goto(service.home);
  await page.evaluate(
    async ({ origin }) => {
      const { connect } = await import(`${origin}/client.js`);
      const token = ({ fresh }) => window.freshArguments.push(fresh) && window.makeToken();
      Object.assign(window, { freshArguments: [], titles: [], closes: [], resets: 0 });
      window.bell = connect({ url: origin, token });
      window.bell.on("close", (close) => window.closes.push(close));
      window.bell.on("reset", () => window.resets++);
      const live = new Promise((resolve) => window.bell.on("live", resolve));
      void (async () => {
        for await (const { title } of window.bell) window.titles.push(title);
      })();
      await live;
    },
    { origin },
  );
  return {
    page,
    pageErrors,
    titles: () => page.evaluate(() => window.titles),
    closes: () => page.evaluate(() => window.closes),
    state: () => page.evaluate(() => window.bell.state),
  };
}
