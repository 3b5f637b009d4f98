// Runs the recipes for pages in a browser, on another origin than the service's.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { build } from "esbuild";
import { compileScript, parse } from "vue/compiler-sfc";
import { Service } from "../browser/client.mjs";
import { eventually } from "../browser/demo.mjs";
import { binary, openPage, scratch, startBrowser } from "../browser/service.mjs";
import { blocks, readme, recipe, Site, bundleDirectory } from "./recipes.mjs";

// Console messages that are expected: requests to the service, which is another
// host, and failed requests while the service restarts.
const EXPECTED_MESSAGES = /^another host: |WebSocket connection to .* failed|the server responded with a status of 503|ERR_CONNECTION_REFUSED/;

describe("recipes for pages", { timeout: 300_000 }, () => {
  let dir, browser, site, service;
  before(async () => {
    dir = scratch();
    site = new Site();
    await site.open();
    service = new Service(binary(dir.path), dir.path, site.origin);
    await service.start();
    site.token = () => service.token("ada", "1h");
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await service?.stop();
    site?.close();
    dir?.remove();
  });

  /** Opens a page of the site. The test fails if the page has errors. */
  async function open(t, path, html) {
    site.pages.set(path, `<!doctype html><title>A page</title><link rel="icon" href="data:,">${html}`);
    const { page, pageErrors, close } = await openPage(browser, site.origin, { path });
    t.after(async () => {
      await close();
      assert.deepEqual(pageErrors.filter((error) => !EXPECTED_MESSAGES.test(error)), []);
    });
    return page;
  }

  const titles = (page) => page.locator("li").allTextContents();

  it("a plain page", async (t) => {
    const page = await open(t, "/plain", recipe("html page.html", service));
    await eventually(service.connections, 1);
    await service.publish("one");
    await service.publish("<b>two</b>");
    await eventually(() => titles(page), ["<b>two</b>", "one"]);
    await page.goto("about:blank");
    await service.publish("three");
    await page.goto(`${site.origin}/plain`); // resumes
    await eventually(() => titles(page), ["three"]);
  });

  it("a page with settings", async (t) => {
    const page = await open(t, "/settings", recipe("html settings.html", service));
    const comments = page.getByRole("group", { name: "Kommentare" });
    await comments.getByText("Aus").click();
    await page.getByRole("switch", { name: "Ruhezeit" }).click();
    const stored = async () => {
      const { rules, quiet } = await service.ask("GET", "/preferences");
      return [rules, quiet?.from];
    };
    await eventually(stored, [[{ type: "comment.*", level: "off" }], "22:00"]);
    await comments.getByText("An").click();
    await eventually(stored, [[], "22:00"]);
    await service.ask("PUT", "/preferences", { rules: [] });
  });

  it("a badge and filters", async (t) => {
    await service.ask("POST", "/inbox/seen", { all: true });
    const page = await open(t, "/badge", recipe("html badge.html", service));
    await eventually(service.connections, 1);
    await service.publish("a mention", { type: "mention.task" });
    await service.publish("an alarm", { priority: "high" });
    const badge = () => page.locator("#badge").textContent();
    await eventually(badge, "2");
    await page.getByRole("button", { name: "Mentions" }).click();
    await eventually(() => titles(page), ["a mention"]);
    await eventually(badge, "1");
    await page.getByRole("button", { name: "Important" }).click();
    await eventually(() => titles(page), ["an alarm"]);
    await eventually(badge, "");
    await page.getByRole("button", { name: "All" }).click();
    await eventually(async () => (await titles(page)).slice(0, 2), ["an alarm", "a mention"]);
  });

  it("the snippet of the README", async (t) => {
    const [snippet] = blocks(readme, "js").map((code) => code.replaceAll("https://bell.example.com", service.origin));
    const page = await open(t, "/snippet", `<ul></ul><script type="module">
      const show = ({ title }) => (document.querySelector("ul").innerHTML += "<li>" + title);
      ${snippet}</script>`);
    await eventually(service.connections, 1);
    await service.publish("in three lines");
    await eventually(() => titles(page), ["in three lines"]);
  });

  /** Bundles files and serves the bundle on the site. */
  async function bundle(name, files) {
    const directory = bundleDirectory(dir.path, name, files);
    const { outputFiles } = await build({
      entryPoints: [join(directory, "main.jsx")], bundle: true, format: "esm", write: false, jsx: "automatic",
      define: { "process.env.NODE_ENV": '"development"', __VUE_OPTIONS_API__: "false", __VUE_PROD_DEVTOOLS__: "false", __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false" },
    });
    site.pages.set(`/${name}.js`, outputFiles[0].text);
    return `<div id="root"></div><script type="module" src="/${name}.js"></script>`;
  }

  /** Tests the component of either framework. */
  async function testComponent(t, name, html) {
    const before = `before ${name}`;
    await service.publish(before);
    const page = await open(t, `/${name}`, html);
    await eventually(async () => (await titles(page))[0], before);
    await eventually(service.connections, 1);
    const all = await titles(page);
    await service.publish(`after ${name}`);
    await eventually(() => titles(page), [`after ${name}`, ...all]);

    assert.equal(await service.stop(), 0);
    await service.start();
    await service.publish(`restarted ${name}`);
    await eventually(() => titles(page), [`restarted ${name}`, `after ${name}`, ...all]);
    const headers = { Authorization: `Bearer ${service.token("ada", "1h")}` };
    const { unread_count } = await (await fetch(`${service.origin}/inbox?limit=1`, { headers })).json();
    assert.ok(unread_count >= 3, `${unread_count} unread`);
    await eventually(() => page.getByRole("button").textContent(), `${unread_count} unread`);
    await page.getByRole("button").click();
    await eventually(() => page.getByRole("button").textContent(), "0 unread");

    await page.evaluate(() => window.unmount());
    await eventually(service.connections, 0);
  }

  it("React", async (t) => {
    const main = `
      import { StrictMode } from "react";
      import { createRoot } from "react-dom/client";
      import { Bell } from "./Bell.jsx";
      const root = createRoot(document.querySelector("#root"));
      root.render(<StrictMode><Bell /></StrictMode>); // mounts everything twice
      window.unmount = () => root.unmount();`;
    const files = { "main.jsx": main, "useBell.jsx": recipe("jsx useBell.jsx"), "Bell.jsx": recipe("jsx Bell.jsx", service) };
    await testComponent(t, "react", await bundle("react", files));
  });

  it("Vue", async (t) => {
    const { descriptor, errors } = parse(recipe("vue Bell.vue", service), { filename: "Bell.vue" });
    assert.deepEqual(errors, []);
    const { content } = compileScript(descriptor, { id: "bell", inlineTemplate: true });
    const main = `
      import { createApp } from "vue";
      import Bell from "./Bell.js";
      const app = createApp(Bell);
      app.config.warnHandler = (warning) => console.error(warning);
      app.mount("#root");
      window.unmount = () => app.unmount();`;
    const files = { "main.jsx": main, "useBell.js": recipe("js useBell.js"), "Bell.js": content };
    await testComponent(t, "vue", await bundle("vue", files));
  });
});
