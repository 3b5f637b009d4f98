// A minimal client of W3C WebDriver for WebKit. It uses Debian's driver and needs no
// further library.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";

const MINIBROWSER = process.env.MINIBROWSER ?? "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser";
const START_TIMEOUT = 30_000;
const ANSWER_TIMEOUT = 60_000;
const STOP_TIMEOUT = 5_000;

/** Starts a virtual screen; returns its name and a function that stops it. */
export async function startScreen() {
  const args = ["-displayfd", "3", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"];
  const xvfb = spawn("Xvfb", args, { stdio: ["ignore", "ignore", "ignore", "pipe"], detached: true });
  const [number] = await Promise.race([
    once(xvfb.stdio[3], "data"),
    once(xvfb, "exit").then(([code]) => Promise.reject(new Error(`Xvfb ended with ${code}`))),
  ]);
  return { name: `:${String(number).trim()}`, stop: () => end(xvfb) };
}

/** A browser process with its own profile. Each session has its own driver. */
export class Session {
  #driver;
  #url;
  #id;
  #first; // the initial window of the session, until open() uses it
  #current; // the window to which commands apply
  #queue = Promise.resolve(); // commands have no window parameter, so they run one after another

  static async start(screen) {
    const session = new Session();
    await session.#start(screen);
    return session;
  }

  async #start(screen) {
    const port = await freePort();
    const env = { ...process.env, DISPLAY: screen.name, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1", LIBGL_ALWAYS_SOFTWARE: "1" };
    this.#driver = spawn("WebKitWebDriver", [`--port=${port}`], { env, stdio: "ignore", detached: true });
    this.#url = `http://127.0.0.1:${port}/session`;
    const options = { binary: MINIBROWSER, args: ["--automation"] };
    const body = { capabilities: { alwaysMatch: { "webkitgtk:browserOptions": options } } };
    const { sessionId } = await this.#retry(() => this.#request("POST", "", body));
    this.#id = sessionId;
    this.#first = this.#current = await this.#command("GET", "window");
  }

  /** Opens a window at an address, and returns its handle. */
  async open(url) {
    const handle = this.#first ?? (await this.#do(() => this.#command("POST", "window/new", { type: "window" }))).handle;
    this.#first = undefined;
    await this.#in(handle, () => this.#command("POST", "url", { url }));
    return handle;
  }

  /** Navigates a window to an address. */
  go(handle, url) {
    return this.#in(handle, () => this.#command("POST", "url", { url }));
  }

  /** Evaluates an expression in a window, and awaits it if it is a promise. */
  evaluate(handle, expression) {
    return this.#in(handle, () => this.#command("POST", "execute/sync", { script: `return ${expression}`, args: [] }));
  }

  /** Closes a window. The last one stays open and empty, because closing it would end the session. */
  closeWindow(handle) {
    return this.#in(handle, async () => {
      if ((await this.#command("GET", "window/handles")).length > 1) {
        this.#current = undefined;
        return this.#command("DELETE", "window");
      }
      await this.#command("POST", "url", { url: "about:blank" });
      this.#first = handle;
    });
  }

  async close() {
    await this.#request("DELETE", `/${this.#id}`).catch(() => {}); // the driver may have ended, or may not answer
    await end(this.#driver);
  }

  #in(handle, act) {
    return this.#do(async () => {
      if (this.#current !== handle) await this.#command("POST", "window", { handle });
      this.#current = handle;
      return act();
    });
  }

  #do(act) {
    const done = this.#queue.then(act);
    this.#queue = done.catch(() => {});
    return done;
  }

  #command(method, path, body) {
    return this.#request(method, `/${this.#id}/${path}`, body);
  }

  async #request(method, path, body) {
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT); // a page that hangs does not answer
    const failed = (why) => new Error(`WebDriver: ${method} ${path} ${JSON.stringify(body)}: ${why}`);
    let answer, value;
    try {
      answer = await fetch(this.#url + path, { method, body: body && JSON.stringify(body), signal });
      ({ value } = await answer.json());
    } catch (error) {
      throw failed(error.message);
    }
    if (!answer.ok) throw failed(`${value.error}: ${value.message}`);
    return value;
  }

  /** Repeats a request until the driver listens. */
  async #retry(ask) {
    for (const deadline = Date.now() + START_TIMEOUT; ; ) {
      try {
        return await ask();
      } catch (error) {
        if (Date.now() > deadline || this.#driver.exitCode !== null) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Ends a process and its children, which form a process group. */
async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  process.kill(-child.pid, "SIGTERM");
  const timer = setTimeout(() => process.kill(-child.pid, "SIGKILL"), STOP_TIMEOUT);
  await ended;
  clearTimeout(timer);
}

async function freePort() {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address();
  server.close();
  return port;
}
