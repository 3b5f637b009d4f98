// Tests /docs, which shows the OpenAPI document and loads nothing from other hosts.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Service } from "./client.mjs";
import { eventually } from "./demo.mjs";
import { binary, openPage, scratch, startBrowser } from "./service.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const DOCUMENT = readFileSync(new URL("../../openapi.yaml", import.meta.url), "utf8");
const OPERATIONS = DOCUMENT.match(/^ {4}(get|post|delete|put|patch):$/gm).length; // preflights are not shown

// Violations in swagger-ui 5.35.0 itself: the button that opens an operation contains
// its path as a link. The keyboard reaches both.
const KNOWN_VIOLATIONS = ["nested-interactive"];

describe("/docs", { timeout: 300_000 }, () => {
  let dir, bin, browser;
  before(async () => {
    dir = scratch();
    bin = binary(dir.path);
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    dir?.remove();
  });

  // Starts a service for the test and opens its page. The test fails if the page violates its policy.
  async function open(t, { base = "", ...options } = {}) {
    const service = new Service(bin, join(dir.path, String(Math.random())), "https://app.example.com", base);
    await service.start();
    let opened;
    t.after(async () => {
      await opened?.close();
      await service.stop();
      assert.deepEqual(opened?.pageErrors, []);
    });
    opened = await openPage(browser, service.origin, { path: `${base}/docs`, ...options });
    await eventually(() => opened.page.locator(".opblock:visible").count(), OPERATIONS);
    return { page: opened.page, service };
  }

  it("shows every operation", async (t) => {
    const { page } = await open(t);
    const paths = await page.locator(".opblock-summary-path").evaluateAll((all) => all.map((one) => one.dataset.path));
    for (const path of DOCUMENT.match(/^ {2}\/\S*(?=:$)/gm)) assert.ok(paths.includes(path.trim()), path);
    await page.locator("#operations-publish-publish").click();
    await page.getByText("202 means that the notification is stored and fsynced").first().waitFor();
    await page.screenshot({ path: join(process.env.DOCS_SHOTS ?? dir.path, "docs.png"), fullPage: false });
  });

  it("sends requests to its own service, also below a base path", async (t) => {
    const { page, service } = await open(t, { base: "/bell" });
    await page.locator("#operations-operate-live").click();
    await page.getByRole("button", { name: "Try it out" }).click();
    const response = page.waitForResponse((candidate) => candidate.url() === `${service.origin}/bell/livez`);
    await page.getByRole("button", { name: "Execute" }).click();
    assert.equal((await response).status(), 200);
    const links = await page.locator(".top nav a").evaluateAll((all) => all.map((one) => one.href));
    for (const link of links) assert.equal((await page.request.get(link)).status(), 200, link);
    assert.equal(links.length, 2);
  });

  for (const colorScheme of ["light", "dark"]) {
    it(`is accessible except for known violations of swagger-ui, ${colorScheme}`, async (t) => {
      const { page } = await open(t, { colorScheme });
      await page.evaluate(AXE);
      const found = await page.evaluate(async () => {
        const { violations } = await axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] });
        return violations
          .filter(({ impact }) => impact === "serious" || impact === "critical")
          .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => ({ id, html, failureSummary })));
      });
      assert.deepEqual(found.filter(({ id }) => !KNOWN_VIOLATIONS.includes(id)), []);
      await page.screenshot({ path: join(process.env.DOCS_SHOTS ?? dir.path, `docs-${colorScheme}.png`) });
    });
  }
});
