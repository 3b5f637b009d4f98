// A client of W3C WebDriver, as small as these tests need it, for WebKit:
// Debian has its driver, and no library that speaks to it is needed.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";

const MINIBROWSER = process.env.MINIBROWSER ?? "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser";
const STARTS_WITHIN = 30_000;
const ANSWERS_WITHIN = 60_000;
const ENDS_WITHIN = 5_000;

/** Starts a screen that nobody sees, and returns its name and how to end it. */
export async function startScreen() {
  const args = ["-displayfd", "3", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"];
  const xvfb = spawn("Xvfb", args, { stdio: ["ignore", "ignore", "ignore", "pipe"], detached: true });
  const [number] = await Promise.race([
    once(xvfb.stdio[3], "data"),
    once(xvfb, "exit").then(([code]) => Promise.reject(new Error(`Xvfb ended with ${code}`))),
  ]);
  return { name: `:${String(number).trim()}`, stop: () => end(xvfb) };
}

/** A browser process of its own, with a profile that nobody else has. A driver has one session. */
export class Session {
  #driver;
  #url;
  #id;
  #first; // the window that a session begins with, until somebody opens it
  #current; // the window that commands are about
  #turn = Promise.resolve(); // commands name no window: one after the other

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
    const { sessionId } = await this.#patiently(() => this.#ask("POST", "", body));
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

  /** Goes to an address in a window. */
  go(handle, url) {
    return this.#in(handle, () => this.#command("POST", "url", { url }));
  }

  /** Evaluates an expression in a window, and awaits it if it is a promise. */
  evaluate(handle, expression) {
    return this.#in(handle, () => this.#command("POST", "execute/sync", { script: `return ${expression}`, args: [] }));
  }

  /** Closes a window. The last one stays open, empty: with it the session would end. */
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
    await this.#ask("DELETE", `/${this.#id}`).catch(() => {}); // it may be gone, or hang
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
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => {});
    return done;
  }

  #command(method, path, body) {
    return this.#ask(method, `/${this.#id}/${path}`, body);
  }

  async #ask(method, path, body) {
    const signal = AbortSignal.timeout(ANSWERS_WITHIN); // a page that hangs answers nothing
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

  /** Asks until the driver listens. */
  async #patiently(ask) {
    for (const late = Date.now() + STARTS_WITHIN; ; ) {
      try {
        return await ask();
      } catch (error) {
        if (Date.now() > late || this.#driver.exitCode !== null) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Ends a process and those that it has started, which are a group. */
async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  process.kill(-child.pid, "SIGTERM");
  const timer = setTimeout(() => process.kill(-child.pid, "SIGKILL"), ENDS_WITHIN);
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
