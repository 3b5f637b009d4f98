// A site on another origin than the service: pages with the browser client, and a token
// endpoint, which can be made to fail.

import { once } from "node:events";
import { createServer } from "node:http";
import { eventually } from "./demo.mjs";

const HEAD = `<!doctype html><html lang="en"><meta charset="utf-8"><title>A page</title><link rel="icon" href="data:,">
<script>
  window.errors = [];
  addEventListener("error", ({ message }) => errors.push(message));
  addEventListener("unhandledrejection", ({ reason }) => errors.push(String(reason)));
</script>`;

/** The page of the client. begin connects as a user, and records the events. */
const CLIENT = `<script>
  async function askToken(user = "ada") {
    const answer = await fetch("/my/token?user=" + user);
    if (!answer.ok) throw new Error("token: " + answer.status);
    return answer.text();
  }
  async function begin(origin, { user, ...options } = {}) {
    const { connect } = await import(origin + "/client.js");
    Object.assign(window, { titles: [], states: [], closes: [], resets: 0 });
    const bell = (window.bell = connect({ url: origin, token: () => askToken(user), ...options }));
    bell.on("state", ({ state }) => states.push(state));
    bell.on("close", (close) => closes.push(close));
    bell.on("reset", () => resets++);
    void (async () => {
      for await (const { title } of bell) titles.push(title);
    })();
  }
  // Connects with storage, and runs a loop that ends by the statement statement at a title.
  async function loop(origin, statement) {
    const { connect } = await import(origin + "/client.js");
    Object.assign(window, { arrived: 0, looped: [], ended: false });
    const endTitle = new Promise((resolve) => (window.endAt = resolve));
    window.bell = connect({ url: origin, token: () => askToken(), storage: localStorage });
    bell.on("notification", () => arrived++);
    const read = new Function("bell", "endTitle", \`return (async () => {
      for await (const { title } of bell) {
        looped.push(title);
        if (\${JSON.stringify(statement)} && title === await endTitle) { \${statement} }
      }
    })()\`);
    void read(bell, endTitle).catch(() => {}).then(() => (ended = true));
  }
</script>`;

/** The page of the element, as in the README. */
const ELEMENT = `<script type="module">
  const inbox = document.querySelector("bellhop-inbox");
  const origin = decodeURIComponent(location.search.slice(1));
  inbox.token = async () => {
    const answer = await fetch("/my/token?user=ada");
    if (!answer.ok) throw new Error("token: " + answer.status);
    return answer.text();
  };
  inbox.setAttribute("url", origin);
  await import(origin + "/inbox.js");
</script>
<bellhop-inbox></bellhop-inbox>`;

/** The faults of a token endpoint, by name. Each function answers a request. */
export const TOKEN_FAULTS = {
  "502 in HTML": (answer) => answer.writeHead(502, { "Content-Type": "text/html" }).end("<h1>Bad gateway</h1>"),
  "a login page": (answer) => answer.setHeader("Content-Type", "text/html").end("<!doctype html><title>Log in</title><form>…</form>"),
  "an empty answer": (answer) => answer.end(),
  "no answer": () => {},
  "a lost connection": (answer) => answer.destroy(),
};

export class Site {
  /** Signs a token of a user. */
  sign;
  /** The number of requests for a token. */
  tokenRequests = 0;
  /** Pages and scripts by path. Tests add their own. */
  pages = new Map([["/", HEAD + CLIENT], ["/element", HEAD + ELEMENT]]);

  #broken;
  #waiting = new Set(); // unanswered requests for a token

  #server = createServer((request, answer) => {
    const { pathname, searchParams } = new URL(request.url, "http://site");
    if (pathname === "/my/token") return this.#token(searchParams.get("user") ?? "ada", answer);
    const page = this.pages.get(pathname);
    if (page === undefined) return answer.writeHead(404).end();
    const type = pathname.endsWith(".js") ? "text/javascript" : "text/html";
    answer.setHeader("Content-Type", `${type}; charset=utf-8`).end(page);
  });

  static async open() {
    const site = new Site();
    await once(site.#server.listen(0, "127.0.0.1"), "listening");
    site.home = `http://127.0.0.1:${site.#server.address().port}`;
    return site;
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Adds a page to the site, with a head that records its errors. */
  put(path, html) {
    this.pages.set(path, HEAD + html);
  }

  /** Sets a function that answers requests for tokens instead of sign. undefined ends the fault, and unanswered requests are disconnected. */
  set broken(answers) {
    this.#broken = answers;
    if (!answers) for (const answer of this.#waiting) answer.destroy();
  }

  #token(user, answer) {
    this.tokenRequests++;
    answer.setHeader("Cache-Control", "no-store");
    this.#waiting.add(answer.on("close", () => this.#waiting.delete(answer)));
    if (this.#broken) return this.#broken(answer, user);
    answer.end(this.sign(user));
  }
}

/** Opens a tab with the client and waits until it is open and live. */
export async function openClient(device, site, origin, options) {
  const client = await startClient(device, site, origin, options);
  await eventually(client.state, "open");
  return client;
}

/** Opens a tab with the client. */
export async function startClient(device, site, origin, options = {}) {
  const tab = await device.open(site.home);
  await tab.run((origin, options) => begin(origin, options), origin, options);
  return {
    tab,
    state: () => tab.run(() => bell.state),
    titles: () => tab.run(() => titles),
    closes: () => tab.run(() => closes.map(({ code }) => code)),
    resets: () => tab.run(() => resets),
    errors: () => tab.run(() => errors),
    unread: () => tab.run(() => bell.unreadCount),
    listed: () => tab.run(async () => (await bell.inbox()).items.map(({ title, read_at }) => title + (read_at ? "" : "*"))),
  };
}

/** Opens a tab with the element and waits until it is connected. */
export async function openElement(device, site, origin) {
  const tab = await device.open(`${site.home}/element?${encodeURIComponent(origin)}`);
  await eventually(() => tab.run(() => document.querySelector("bellhop-inbox").bell?.state), "open");
  return elementIn(tab);
}

/** Returns functions that read and operate the element in a tab. */
export const elementIn = (tab) => ({
  tab,
  badge: () => tab.run(() => document.querySelector("bellhop-inbox").shadowRoot?.querySelector("[part=badge]:not([hidden])")?.textContent ?? ""),
  unread: () => tab.run(() => document.querySelector("bellhop-inbox").bell?.unreadCount),
  setTabs: (tabs) => tab.run((tabs) => document.querySelector("bellhop-inbox").setAttribute("tabs", tabs), JSON.stringify(tabs)),
  /** Returns the index of the selected tab, and the unread count that each tab shows. */
  tabs: () =>
    tab.run(() => {
      const tabs = [...document.querySelector("bellhop-inbox").shadowRoot.querySelectorAll("[role=tab]")];
      return { selected: tabs.findIndex(({ ariaSelected }) => ariaSelected === "true"), counts: tabs.map((tab) => tab.children[1].textContent) };
    }),
  titles: () =>
    tab.run(() =>
      [...document.querySelector("bellhop-inbox").shadowRoot.querySelectorAll("[part~=item]")].map(
        (item) => item.querySelector("[part=item-title]").textContent + (item.part.contains("unread") ? "*" : ""),
      ),
    ),
  click: (selector) => tab.run((selector) => document.querySelector("bellhop-inbox").shadowRoot.querySelector(selector).click(), selector),
  open: () => tab.run(() => document.querySelector("bellhop-inbox").show()),
  errors: () => tab.run(() => errors),
});
