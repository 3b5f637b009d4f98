// A page with <bellhop-inbox> and a strict Content-Security-Policy, and the actions of
// its users.

import { once } from "node:events";
import { createServer } from "node:http";
import { eventually } from "./demo.mjs";

const PAGE = `<!doctype html><html lang="en"><title>A page</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/page.css"><script type="module" src="/page.js"></script>
<header><h1>Acme</h1><bellhop-inbox></bellhop-inbox></header>
<main><p>Something to read.</p></main>`;

const STYLE = `:root { color-scheme: light dark; font: 16px/1.5 sans-serif; background: light-dark(#fff, #111); color: light-dark(#111, #eee) }
body { margin: 0 } header { display: flex; justify-content: space-between; padding: 0.5rem 1rem } h1 { font-size: 1.25rem }`;

const SCRIPT = `const origin = decodeURIComponent(location.search.slice(1));
const inbox = document.querySelector("bellhop-inbox");
inbox.token = () => window.makeToken(); // before the element is defined
inbox.setAttribute("url", origin);
window.events = [];
for (const name of ["select", "action", "mark", "notification", "count", "unseen", "toggle"]) {
  inbox.addEventListener("bellhop-" + name, (event) => window.events.push([name, event.detail?.title ?? event.detail?.action?.title ?? event.detail]));
}
await import(origin + "/inbox.js");`;

const POLICY = "default-src 'none'; style-src 'self'; script-src 'self' http://127.0.0.1:*; connect-src http://127.0.0.1:* ws://127.0.0.1:*; require-trusted-types-for 'script'";

/** Serves the page. */
export async function startSite() {
  const site = createServer((request, answer) => {
    answer.setHeader("Content-Security-Policy", POLICY);
    const files = {
      "/page.js": ["text/javascript", SCRIPT],
      "/page.css": ["text/css", STYLE],
      "/elsewhere": ["text/html", "<!doctype html><title>Elsewhere</title>"],
    };
    const [type, body] = files[request.url.split("?")[0]] ?? ["text/html", PAGE];
    answer.setHeader("Content-Type", type).end(body);
  });
  await once(site.listen(0, "127.0.0.1"), "listening");
  return { home: `http://127.0.0.1:${site.address().port}`, close: () => site.close() };
}

/** Opens the page on a device of Ada, and records its errors. */
export async function openDevice(context, service) {
  const page = await context.newPage();
  const pageErrors = [];
  await page.exposeFunction("makeToken", () => service.token("ada", "1h"));
  await page.addInitScript(() => addEventListener("securitypolicyviolation", ({ violatedDirective }) => console.error(violatedDirective)));
  page.on("pageerror", (error) => pageErrors.push(error.message));
  page.on("console", (message) => message.type() === "error" && pageErrors.push(message.text()));
  await page.goto(`${service.home}/?${encodeURIComponent(service.origin)}`);
  const device = new Device(page, pageErrors);
  await eventually(() => page.evaluate(() => document.querySelector("bellhop-inbox").bell?.state), "open");
  return device;
}

class Device {
  constructor(page, pageErrors) {
    this.page = page;
    this.pageErrors = pageErrors;
    this.bell = page.locator("bellhop-inbox [part=bell]");
    this.panel = page.getByRole("dialog", { name: "Notifications" });
    this.items = this.panel.getByRole("listitem");
  }

  open() {
    return this.bell.click();
  }

  item(title) {
    return this.items.filter({ hasText: title });
  }

  /** Clicks a button of an item. */
  async click(action, title) {
    await this.item(title).hover();
    await this.panel.getByRole("button", { name: `${action}: ${title}` }).click();
  }

  badge = async () => ((await this.page.locator("[part=badge]").isVisible()) ? this.page.locator("[part=badge]").textContent() : "");

  unread = () => this.page.evaluate(() => document.querySelector("bellhop-inbox").bell.unreadCount);

  /** Returns the texts of the tabs, with their unread counts. */
  tabs = () =>
    this.panel.getByRole("tab").evaluateAll((tabs) => tabs.map((tab) => [...tab.children].slice(0, 2).map(({ textContent }) => textContent).join(" ").trim()));

  /** Sets the tabs. */
  setTabs = (tabs) => this.page.evaluate((tabs) => document.querySelector("bellhop-inbox").setAttribute("tabs", tabs), JSON.stringify(tabs));

  /** Returns the titles in the list; unread ones end with a star. */
  titles = () =>
    this.items.evaluateAll((items) =>
      items.map((item) => item.querySelector("[part=item-title]").textContent + (item.part.contains("unread") ? "*" : "")),
    );

  events = (name) => this.page.evaluate((name) => window.events.filter(([event]) => event === name).map(([, detail]) => detail), name);

  /** Returns the label of the focused element, including those in the shadow tree. */
  focus = () =>
    this.page.evaluate(() => {
      const { shadowRoot } = document.activeElement;
      const focused = shadowRoot?.activeElement ?? document.activeElement;
      return focused.ariaLabel ?? focused.querySelector("[part=item-title], [part=tab-label]")?.textContent ?? focused.part.value;
    });
}
