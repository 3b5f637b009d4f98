// A page that has <bellhop-inbox>, as strict as a page can be, and what its
// users see of it.

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
inbox.token = () => window.makeToken(); // before it is defined
inbox.setAttribute("url", origin);
window.told = [];
for (const name of ["select", "mark", "notification", "count", "toggle"]) {
  inbox.addEventListener("bellhop-" + name, (event) => window.told.push([name, event.detail?.title ?? event.detail]));
}
await import(origin + "/inbox.js");`;

const POLICY = "default-src 'none'; style-src 'self'; script-src 'self' http://127.0.0.1:*; connect-src http://127.0.0.1:* ws://127.0.0.1:*; require-trusted-types-for 'script'";

/** Serves the page. */
export async function startSite() {
  const site = createServer((asked, answer) => {
    answer.setHeader("Content-Security-Policy", POLICY);
    const others = {
      "/page.js": ["text/javascript", SCRIPT],
      "/page.css": ["text/css", STYLE],
      "/elsewhere": ["text/html", "<!doctype html><title>Elsewhere</title>"],
    };
    const [type, body] = others[asked.url] ?? ["text/html", PAGE];
    answer.setHeader("Content-Type", type).end(body);
  });
  await once(site.listen(0, "127.0.0.1"), "listening");
  return { home: `http://127.0.0.1:${site.address().port}`, close: () => site.close() };
}

/** Opens the page as a device of Ada's, and notes what it should not do. */
export async function openDevice(context, service) {
  const page = await context.newPage();
  const wrongs = [];
  await page.exposeFunction("makeToken", () => service.token("ada", "1h"));
  await page.addInitScript(() => addEventListener("securitypolicyviolation", ({ violatedDirective }) => console.error(violatedDirective)));
  page.on("pageerror", (error) => wrongs.push(error.message));
  page.on("console", (message) => message.type() === "error" && wrongs.push(message.text()));
  await page.goto(`${service.home}/?${encodeURIComponent(service.origin)}`);
  const device = new Device(page, wrongs);
  await eventually(() => page.evaluate(() => document.querySelector("bellhop-inbox").bell?.state), "open");
  return device;
}

class Device {
  constructor(page, wrongs) {
    this.page = page;
    this.wrongs = wrongs;
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

  /** Does what a button beside an item says. */
  async does(what, title) {
    await this.item(title).hover();
    await this.panel.getByRole("button", { name: `${what}: ${title}` }).click();
  }

  badge = async () => ((await this.page.locator("[part=badge]").isVisible()) ? this.page.locator("[part=badge]").textContent() : "");

  /** The titles in the list, those that are unread with a star. */
  titles = () =>
    this.items.evaluateAll((items) =>
      items.map((item) => item.querySelector("[part=item-title]").textContent + (item.part.contains("unread") ? "*" : "")),
    );

  told = (name) => this.page.evaluate((name) => window.told.filter(([told]) => told === name).map(([, detail]) => detail), name);

  /** What has the focus, within the element too. */
  focus = () =>
    this.page.evaluate(() => {
      const { shadowRoot } = document.activeElement;
      const focused = shadowRoot?.activeElement ?? document.activeElement;
      return focused.ariaLabel ?? focused.querySelector("[part=item-title]")?.textContent ?? focused.part.value;
    });
}
