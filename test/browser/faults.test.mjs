// Networks, token endpoints and services that fail for a while: afterwards every
// page shows what the service has, without a reload.
//
// The random test takes FAULTS_SECONDS, 40 unless it is set, of faults that follow
// from FAULTS_SEED; `FAULTS_SECONDS=300 node --test faults.test.mjs` is the long one.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { Service } from "./client.mjs";
import { eventually } from "./demo.mjs";
import { ENGINES } from "./engines.mjs";
import { KINDS, Proxy, randomOf } from "./faults.mjs";
import { binary, scratch } from "./service.mjs";
import { BROKEN, openClient, openElement, Site } from "./site.mjs";

const SECONDS = Number(process.env.FAULTS_SECONDS ?? 40);
const SEED = Number(process.env.FAULTS_SEED ?? Date.now() % 1e9);
const ENGINE = process.env.ENGINE ?? "Chromium";
const AGREES_WITHIN = 60_000;
const PAGE = 20; // items that the element lists at first
const PING = 2; // seconds

describe(`faults, in ${ENGINE}`, { timeout: (SECONDS + 240) * 1000 }, () => {
  let dir, bin, engine, site;
  before(async () => {
    dir = scratch();
    bin = binary(dir.path);
    site = await Site.open();
    engine = await ENGINES[ENGINE]();
  });
  after(async () => {
    await engine?.close();
    site?.close();
    dir?.remove();
  });

  /** Starts a service, and returns how to get devices and proxies; all of it ends with the test. */
  async function start(t) {
    const data = scratch();
    const undo = [data.remove]; // to be done backwards
    t.after(async () => {
      site.broken = undefined;
      for (const step of undo.reverse()) await step();
    });
    const service = new Service(bin, data.path, site.home);
    undo.push(() => service.stop());
    await service.start();
    site.sign = (user) => service.token(user, "1h");
    const device = async () => {
      const made = await engine.device();
      undo.push(made.close);
      return made;
    };
    const way = async (options) => {
      const proxy = await Proxy.open(service, options);
      undo.push(() => proxy.close());
      return proxy;
    };
    return { service, device, way };
  }

  it("replaces a connection on which nothing passes any more, in a tab that is only looked at", async (t) => {
    const { service, device, way } = await start(t);
    const proxy = await way({ ping: PING });
    const page = await openClient(await device(), site, proxy.origin);
    await service.publish("before");
    await eventually(page.titles, ["before"]);
    proxy.swallow();
    await service.publish("into the void");
    await eventually(page.titles, ["before", "into the void"], AGREES_WITHIN);
    assert.equal(await page.resets(), 0);
  });

  it("tries again where the way is slow, late, cut or refused", async (t) => {
    const { service, device, way } = await start(t);
    const browser = await device();
    const told = [];
    for (const fault of KINDS) {
      const proxy = await way({ ping: PING });
      const page = await openClient(browser, site, proxy.origin);
      proxy.fault = fault;
      await service.publish(`during ${fault}`);
      const heard = page.tab.run(() => bell.read([]).catch(() => {})).catch(() => {}); // something goes the other way, too
      await new Promise((resolve) => setTimeout(resolve, 2000));
      proxy.fault = undefined;
      told.push(`after ${fault}`);
      await service.publish(told.at(-1));
      await eventually(async () => (await page.titles()).slice(-2), [`during ${fault}`, `after ${fault}`], AGREES_WITHIN);
      assert.equal(await page.resets(), 0, fault);
      await heard;
      await page.tab.close();
    }
  });

  it(`agrees with the service after ${SECONDS} s of random faults, seed ${SEED}`, async (t) => {
    const { service, device, way } = await start(t);
    const random = randomOf(SEED);
    const pick = (list) => list[Math.floor(random() * list.length)];
    const ways = [await way({ random, ping: PING }), await way({ random, ping: PING })];
    const pages = [];
    for (const proxy of ways) {
      const made = await device();
      for (let tabs = 0; tabs < 2; tabs++) pages.push(await openElement(made, site, proxy.origin));
    }
    for (const page of pages) await page.click("[part=bell]");
    const acts = actions(service, pages, pick, random);
    const end = Date.now() + SECONDS * 1000;
    while (Date.now() < end) {
      await fault(service, site, ways, pick, random);
      for (let n = Math.floor(random() * 4); n >= 0; n--) await pick(acts)();
    }
    site.broken = undefined;
    for (const proxy of ways) proxy.fault = undefined;

    await service.publish("the last");
    // What the service has still changes: marks that were made meanwhile arrive.
    const compared = async (page) => {
      const want = await shownBy(service);
      const shown = { badge: await page.badge(), titles: (await page.titles()).slice(0, PAGE) };
      return isDeepStrictEqual(shown, want) ? "agrees" : { shown, want };
    };
    await eventually(() => Promise.all(pages.map(compared)), pages.map(() => "agrees"), AGREES_WITHIN);
    assert.deepEqual(await Promise.all(pages.map(({ errors }) => errors())), pages.map(() => []));
  });
});

/** What the service has, as the element shows it. */
async function shownBy(service) {
  const { items, unread_count } = await service.ask("GET", `/inbox?limit=${PAGE}`);
  const badge = unread_count > 99 ? "99+" : unread_count ? String(unread_count) : "";
  return { badge, titles: items.map(({ title, read_at }) => title + (read_at ? "" : "*")) };
}

/** Breaks something for a while, or mends it. */
async function fault(service, site, ways, pick, random) {
  const breaks = [
    () => (pick(ways).fault = pick(KINDS)),
    () => (pick(ways).fault = pick(KINDS)),
    () => (pick(ways).fault = undefined),
    () => pick(ways).swallow(),
    () => {
      const broken = pick(Object.values(BROKEN));
      site.broken = broken;
    },
    () => (site.broken = undefined),
  ];
  if (random() < 0.05) {
    await service.stop();
    await service.start();
  }
  pick(breaks)();
  await new Promise((resolve) => setTimeout(resolve, 200 + 2000 * random()));
}

/** What backends and users do meanwhile. */
function actions(service, pages, pick, random) {
  let told = 0;
  const act = (selector) => {
    const page = pick(pages);
    return page.tab.run((selector, at) => {
      const found = [...document.querySelector("bellhop-inbox").shadowRoot.querySelectorAll(selector)];
      found[Math.floor(at * found.length)]?.click();
    }, selector, random());
  };
  const publish = (members = {}) => service.publish(`n${told++}`, members);
  return [
    () => publish(),
    () => publish(),
    () => publish({ collapse_key: pick(["a", "b"]) }),
    () => act("[part=action]:first-child"), // read or unread
    () => act("[part=action]:last-child"), // archive
    () => random() < 0.2 && act("[part=read-all]:not([hidden])"),
    async () => {
      const { items } = await service.ask("GET", "/inbox?limit=10");
      if (items.length && random() < 0.3) await service.ask("DELETE", `/notifications/${pick(items).id}`, undefined, service.token("operator", "1h", "notify:admin"));
    },
  ];
}
