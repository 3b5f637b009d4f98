import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { audit } from "./audit.mjs";
import { DemoPage, eventually } from "./demo.mjs";
import { binary, openPage, scratch, startBrowser, startService } from "./service.mjs";

const PHONE = { viewport: { width: 360, height: 780 }, hasTouch: true, isMobile: true };

describe("the demo page", { timeout: 600_000 }, () => {
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

  // Starts a service for the test, and opens the page. The end of the test stops the
  // service, and fails if the page had errors that the test does not expect.
  async function open(t, { expectsErrors = false, ...options } = {}) {
    const service = await startService(bin);
    let opened;
    t.after(async () => {
      await opened?.close(); // before the service stops, or the page would report errors
      assert.equal(await service.stop(), 0, "exit code after SIGTERM");
      if (!expectsErrors) assert.deepEqual(opened?.pageErrors, []);
    });
    opened = await openPage(browser, service.origin, options);
    const { page } = opened;
    const demo = new DemoPage(page);
    await demo.live();
    return { demo, page, service };
  }

  it("shows a notification for Ada only to Ada", async (t) => {
    const { demo } = await open(t);
    const { status, body } = await demo.send("ada", { title: "for Ada" });
    assert.equal(status, 202);
    assert.equal(body.recipients, 1);
    assert.match(await demo.answer(), new RegExp(`202: stored for 1 user\\s+${body.id}`));

    await demo.send("grace", { title: "for Grace" });
    await demo.ada.shows(["for Ada"]);
    await demo.grace.shows(["for Grace"]);
  });

  it("shows a notification for everyone to both", async (t) => {
    const { demo } = await open(t);
    await demo.send("all", { title: "for everyone" });
    assert.match(await demo.answer(), /202: stored for everyone/);
    await demo.ada.shows(["for everyone"]);
    await demo.grace.shows(["for everyone"]);
  });

  it("sends an example with one click, and another with the next", async (t) => {
    const { demo, page } = await open(t);
    const click = () => demo.submit(() => page.getByRole("button", { name: "Send" }).click());
    assert.equal((await click()).status, 202);
    assert.equal((await click()).status, 202);
    await eventually(async () => new Set(await demo.ada.titles()).size, 2);
    await eventually(async () => new Set(await demo.grace.titles()).size, 2);
  });

  it("shows the links of an example, and where they lead", async (t) => {
    const { demo, page } = await open(t, { expectsErrors: true }); // the browser logs the 422
    await page.getByRole("button", { name: "Comment", exact: true }).click();
    assert.equal((await demo.send("ada")).status, 202);
    await demo.ada.element.getByRole("link", { name: "Reply" }).click();
    await eventually(() => demo.ada.statusText(), "Followed the link to /#/drafts/7/reply");
    await demo.ada.element.getByRole("link", { name: "Edith commented" }).click();
    await eventually(() => demo.ada.statusText(), "Followed the link to /#/drafts/7");
    assert.equal(new URL(page.url()).hash, "");

    await page.locator("[name=url]").fill("javascript:alert(1)");
    assert.equal((await demo.send("ada")).status, 422);
    await page.locator(".field", { has: page.locator("[name=url]") }).getByText("must be an absolute URL").waitFor();
    await page.locator("[name=url]").fill("");
    await demo.send("ada", { title: "no links" });
    await eventually(async () => (await demo.ada.titles())[0], "no links");
    assert.equal(await demo.ada.element.getByRole("link").count(), 3, "those of the example");
  });

  it("delivers what Grace missed while offline, in order and once", async (t) => {
    const { demo, page } = await open(t);
    await demo.send("all", { title: "before" });
    await demo.grace.shows(["before"]);
    const cursor = await demo.grace.cursor();

    await demo.grace.goOffline();
    assert.equal(await demo.grace.statusText(), "Went offline at …");
    const received = framesOf(page);
    await demo.send("all", { title: "missed 1" });
    await demo.send("ada", { title: "not hers" });
    await demo.send("grace", { title: "missed 2" });
    await demo.ada.shows(["not hers", "missed 1", "before"]);
    assert.deepEqual(await demo.grace.titles(), ["before"]);
    assert.equal(await demo.grace.cursor(), cursor);

    await demo.grace.reconnect();
    assert.equal(await demo.grace.statusText(), "Reconnected: 2 missed notifications received in order");
    await demo.grace.shows(["missed 2", "missed 1", "before"]);
    await demo.send("all", { title: "after" });
    await demo.grace.shows(["after", "missed 2", "missed 1", "before"]);
    assert.deepEqual(received, ["missed 1", "missed 2", "after"]);

    await demo.grace.goOffline();
    await demo.grace.reconnect();
    assert.equal(await demo.grace.statusText(), "Reconnected: no missed notifications");
    await demo.grace.shows(["after", "missed 2", "missed 1", "before"]);
  });

  it("counts notifications until they are read", async (t) => {
    const { demo } = await open(t);
    assert.equal(await demo.ada.badge(), 0);
    await demo.send("ada", { title: "one" });
    await demo.send("ada", { title: "two" });
    await eventually(() => demo.ada.badge(), 2);
    await demo.ada.markAllRead();
    await demo.send("ada", { title: "three" });
    await eventually(() => demo.ada.badge(), 1);
  });

  it("lists comments and important notifications in tabs", async (t) => {
    const { demo, page } = await open(t);
    for (const example of ["Comment", "Alarm", "Bar"]) {
      await page.getByRole("button", { name: example, exact: true }).click();
      await demo.send("ada");
    }
    await eventually(async () => (await demo.ada.titles()).length, 3);
    await demo.ada.element.getByRole("tab", { name: "Comments 1 unread" }).click();
    await demo.ada.shows(["Edith commented on your draft"]);
    await demo.ada.element.getByRole("tab", { name: "Important 1 unread" }).click();
    await demo.ada.shows(["Disk on db-2 is 91 % full"]);
  });

  it("loses nothing in a reload, and shows what was published meanwhile", async (t) => {
    const { demo, page, service } = await open(t);
    await demo.send("all", { title: "seen" });
    await demo.ada.shows(["seen"]);
    await demo.grace.shows(["seen"]);
    await page.goto("about:blank");
    await publish(service.origin, { to: { users: ["ada"] }, type: "test.meanwhile", title: "meanwhile" });
    await page.goto(`${service.origin}/`);
    await demo.ada.shows(["meanwhile", "seen"]);
    await demo.live();
    assert.deepEqual(await demo.grace.titles(), ["seen"]);
  });

  it("shows earlier notifications in a new tab", async (t) => {
    const { service } = await open(t);
    await publish(service.origin, { to: { all: true }, type: "test.early", title: "early" });
    const { page, pageErrors, close } = await openPage(browser, service.origin);
    t.after(close);
    const demo = new DemoPage(page);
    await demo.ada.shows(["early"]);
    await demo.live();
    assert.deepEqual(pageErrors, []);
  });

  it("shows an error next to its field", async (t) => {
    const { demo, page } = await open(t, { expectsErrors: true }); // the browser logs each 422
    const { status } = await demo.send("ada", { type: "" });
    assert.equal(status, 422);
    assert.match(await demo.answer(), /^422: /);
    const field = page.locator("[name=type]");
    assert.equal(await field.getAttribute("aria-invalid"), "true");
    assert.match(await page.locator(".field", { has: field }).innerText(), /required/);

    assert.equal((await demo.send("ada", { type: "test.corrected", title: "corrected" })).status, 202);
    assert.equal(await field.getAttribute("aria-invalid"), null);
    await demo.ada.shows(["corrected"]);
  });

  it("does not interpret text as HTML", async (t) => {
    const { demo } = await open(t);
    const title = `<img src=x onerror="alert(1)"> & 'quotes' \\ مرحبا`;
    await demo.send("ada", { title, body: "<b>not bold</b>" });
    await demo.ada.shows([title]);
  });

  it("reconnects after the service was killed, with new tokens and without repeats", async (t) => {
    const data = scratch();
    const cleanup = [data.remove]; // steps of the cleanup, run in reverse order
    t.after(async () => {
      for (const step of cleanup.reverse()) await step();
    });
    const first = await startService(bin, { dataDir: data.path });
    cleanup.push(() => first.stop("SIGKILL"));
    const { page, close } = await openPage(browser, first.origin);
    cleanup.push(close);
    const demo = new DemoPage(page);
    await demo.live();
    await demo.send("all", { title: "before" });
    await demo.ada.shows(["before"]);
    await demo.grace.shows(["before"]);

    await first.stop("SIGKILL");
    await eventually(async () => (await demo.ada.element.getAttribute("data-phase")) === "live", false);
    const second = await startService(bin, { dataDir: data.path, listen: new URL(first.origin).host });
    cleanup.splice(2, 0, () => second.stop()); // stopped after the page is closed
    await publish(second.origin, { to: { all: true }, type: "test.after", title: "after" });
    await demo.live();
    await demo.send("all", { title: "and on" });
    for (const device of [demo.ada, demo.grace]) {
      await device.shows(["and on", "after", "before"]);
    }
  });

  it("fits a phone", async (t) => {
    const { demo, page } = await open(t, PHONE);
    await demo.send("all", { title: "Unbreakable".repeat(12), body: "x".repeat(300) });
    await eventually(async () => (await demo.ada.titles()).length, 1);
    await page.locator("#wire summary").click();
    const { width, inner } = await page.evaluate(() => ({ width: document.documentElement.scrollWidth, inner: innerWidth }));
    assert.ok(width <= inner, `${width} px wide on a screen of ${inner}`);
    const small = await page.locator("button:visible, input:visible, select:visible, summary:visible").evaluateAll((all) =>
      all.filter((one) => one.getBoundingClientRect().height < 43.5).map((one) => one.outerHTML),
    );
    assert.deepEqual(small, []);
    await page.screenshot({ path: join(dir.path, "phone.png"), fullPage: true });
  });

  for (const colorScheme of ["light", "dark"]) {
    it(`is accessible, ${colorScheme}`, async (t) => {
      const { demo, page } = await open(t, { colorScheme });
      await fillLists(demo);
      await audit(page);
      await demo.ada.goOffline();
      await audit(page);
      await page.locator("#theme").click();
      await audit(page);
    });
  }

  it("prefers the selected theme to the system's, even after a reload", async (t) => {
    const { demo, page } = await open(t, { colorScheme: "light" });
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await paper();
    await page.locator("#theme").click();
    const dark = await paper();
    assert.notEqual(dark, light);
    await page.reload();
    await demo.live();
    assert.equal(await paper(), dark);
  });

  it("shows a curl command and JavaScript with complete tokens", async (t) => {
    const { demo, page } = await open(t);
    await page.locator("[name=title]").fill("it's curl");
    const curl = await page.locator("#curl").textContent();
    assert.match(curl, /Bearer [\w-]+\.[\w-]+\.[\w-]+'/);
    const [, body] = /-d '([^]*)'$/.exec(curl);
    assert.equal(JSON.parse(body.replaceAll(`'\\''`, "'")).title, "it's curl");

    // The three lines receive notifications when run unchanged.
    const lines = await page.locator("#listen").textContent();
    assert.equal(lines.trim().split("\n").length, 3);
    const opened = page.waitForEvent("websocket");
    const received = page.waitForEvent("console", (message) => message.text() === "received");
    await page.evaluate(`void (async () => {\n${lines}\n})()`);
    await (await opened).waitForEvent("framereceived", ({ payload }) => JSON.parse(payload).event === "live");
    await demo.send("ada", { title: "received" });
    await received;
  });

  it("provides the screenshot for the README", async (t) => {
    const { demo, page } = await open(t, { colorScheme: "light", viewport: { width: 1200, height: 975 }, deviceScaleFactor: 1.2 });
    await fillLists(demo);
    await page.mouse.move(2, 2);
    await page.evaluate(() => document.activeElement.blur());
    const path = process.env.UPDATE_SCREENSHOT ? new URL("demo.png", import.meta.url).pathname : join(dir.path, "demo.png");
    const picture = await page.screenshot({ path, animations: "disabled" });
    assert.ok(picture.length > 20_000);
  });
});

// Fills both lists with notifications, of which some are read and some were missed.
async function fillLists(demo) {
  const example = async (name, to) => {
    await demo.page.getByRole("button", { name, exact: true }).click();
    await demo.send(to);
  };
  await example("Comment", "ada");
  await example("Deploy", "all");
  await eventually(async () => (await demo.grace.titles()).length, 1);
  await eventually(async () => (await demo.ada.titles()).length, 2);
  await demo.ada.markAllRead();
  await demo.grace.markAllRead();
  await demo.grace.goOffline();
  await example("Alarm", "all");
  await example("Comment", "grace");
  await demo.grace.reconnect();
  await eventually(async () => (await demo.grace.titles()).length, 3);
  await example("Bar", "all");
  await eventually(async () => (await demo.ada.titles()).length, 4);
  await eventually(async () => (await demo.grace.titles()).length, 4);
}

/** Returns an array to which the titles received by the page's next connection are added. */
function framesOf(page) {
  const titles = [];
  page.once("websocket", (socket) =>
    socket.on("framereceived", ({ payload }) => {
      const { event, data } = JSON.parse(payload);
      if (event === "notification") titles.push(data.title);
    }),
  );
  return titles;
}

async function publish(origin, draft) {
  const session = await (await fetch(`${origin}/demo/session.json`)).json();
  const answer = await fetch(`${origin}/notify`, {
    method: "POST",
    headers: { Authorization: `Bearer ${session.publisher.token}`, "Content-Type": "application/json" },
    body: JSON.stringify(draft),
  });
  assert.equal(answer.status, 202);
}
