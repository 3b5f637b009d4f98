// The real service, and tabs that have the browser client.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const SECRET = "a-secret-of-thirty-two-bytes-or-more";

/** Runs `bellhop serve`, again and again on the same address and store. */
export class Service {
  #bin;
  #data;
  #listen = "127.0.0.1:0"; // the same after a restart
  #process;
  #ended;
  #metrics;
  #env;

  constructor(bin, data, home, base = "") {
    this.home = home; // of the page
    this.#env = { BELLHOP_JWT_SECRET: SECRET, BELLHOP_ALLOWED_ORIGINS: home, BELLHOP_DRAIN_WINDOW: "1", BELLHOP_BASE_PATH: base };
    this.#bin = bin;
    this.#data = data;
  }

  get origin() {
    return `http://${this.#listen}`;
  }

  async start() {
    const args = ["serve", "--listen", this.#listen, "--admin-listen", "127.0.0.1:0", "--data-dir", join(this.#data, "store")];
    this.#process = spawn(this.#bin, args, { env: this.#env, stdio: ["ignore", "ignore", "pipe"] });
    this.#ended = once(this.#process, "exit");
    const [, listen, admin] = await new Promise((resolve, reject) => {
      let told = "";
      this.#process.stderr.on("data", (chunk) => {
        told += chunk;
        const found = /msg=listening public=(\S+) admin=(\S+)/.exec(told);
        if (found) resolve(found);
      });
      this.#ended.then(() => reject(new Error(`bellhop serve ended:\n${told}`)), reject);
    });
    this.#listen = listen;
    this.#metrics = `http://${admin}/metrics`;
  }

  async stop() {
    this.#process.kill("SIGTERM");
    const [code] = await this.#ended;
    return code;
  }

  token(user, ttl, ...scopes) {
    const args = ["token", "--user", user, "--ttl", ttl, ...scopes.flatMap((scope) => ["--scope", scope])];
    return execFileSync(this.#bin, args, { env: this.#env, encoding: "utf8" }).trim();
  }

  async publish(title) {
    const answer = await fetch(`${this.origin}/notify`, {
      method: "POST",
      headers: { Authorization: `Bearer ${this.token("backend", "1h", "notify:publish")}`, "Content-Type": "application/json" },
      body: JSON.stringify({ to: { users: ["ada"] }, type: "test", title }),
    });
    assert.equal(answer.status, 202);
  }

  connections = async () => {
    const text = await (await fetch(this.#metrics)).text();
    return Number(/^bellhop_connections (\d+)$/m.exec(text)[1]);
  };
}

/** Opens a tab that connects as Ada, and returns once it is live. */
export async function open(context, service, origin = service.origin, ttl = "1h") {
  const page = await context.newPage();
  const wrongs = [];
  await page.exposeFunction("makeToken", () => service.token("ada", ttl));
  page.on("pageerror", (error) => wrongs.push(error.message));
  await page.goto(service.home);
  await page.evaluate(
    async ({ origin }) => {
      const { connect } = await import(`${origin}/client.js`);
      const token = ({ fresh }) => window.asked.push(fresh) && window.makeToken();
      Object.assign(window, { asked: [], titles: [], closes: [], resets: 0 });
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
    wrongs,
    titles: () => page.evaluate(() => window.titles),
    closes: () => page.evaluate(() => window.closes),
    state: () => page.evaluate(() => window.bell.state),
  };
}
