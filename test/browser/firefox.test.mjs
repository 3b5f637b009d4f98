// Tests that <bellhop-inbox> is accessible in Firefox, with screenshots.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { audit } from "./audit.mjs";
import { Service } from "./client.mjs";
import { eventually } from "./demo.mjs";
import { ENGINES } from "./engines.mjs";
import { binary, scratch } from "./service.mjs";
import { elementIn, Site } from "./site.mjs";

const PAGE = `<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
  body { margin: 0; font: 16px/1.5 sans-serif; background: light-dark(#fff, #111); color: light-dark(#111, #eee) }
  header { display: flex; justify-content: space-between; padding: 0.5rem 1rem }
  h1 { margin: 0; font-size: 1.25rem }
</style>
<header><h1>Acme</h1><bellhop-inbox></bellhop-inbox></header>
<main><p>Something to read.</p></main>
<script type="module">
  const [origin, scheme] = location.search.slice(1).split("&").map(decodeURIComponent);
  document.documentElement.style.colorScheme = scheme; // BiDi cannot emulate it
  const inbox = document.querySelector("bellhop-inbox");
  inbox.token = async () => (await fetch("/my/token?user=ada")).text();
  inbox.url = origin;
  await import(origin + "/inbox.js");
</script>`;

describe("<bellhop-inbox> in Firefox", { timeout: 300_000 }, () => {
  let dir, bin, engine, site;
  before(async () => {
    dir = scratch();
    bin = binary(dir.path);
    site = await Site.open();
    site.put("/accessible", PAGE);
    engine = await ENGINES.Firefox();
  });
  after(async () => {
    await engine?.close();
    site?.close();
    dir?.remove();
  });

  for (const [name, scheme, width, height] of [["light", "light", 760, 620], ["dark", "dark", 760, 620], ["phone", "light", 360, 700]]) {
    it(`is accessible, ${name}`, async (t) => {
      const data = scratch();
      t.after(data.remove);
      const service = new Service(bin, data.path, site.home);
      t.after(() => service.stop());
      await service.start();
      site.sign = (user) => service.token(user, "1h");
      const device = await engine.device();
      t.after(() => device.close());
      const tab = await device.open(`${site.home}/accessible?${encodeURIComponent(service.origin)}&${scheme}`);
      await tab.page.setViewport({ width, height });
      const inbox = elementIn(tab);
      await inbox.setTabs([{ label: "Mentions", type: "mention.*" }, { label: "Important", priority: "high" }]);
      await service.publish("Edith mentioned you in a draft", { type: "mention.draft", body: "“Lovely. Ship it before lunch?”", url: "/drafts/7", actions: [{ title: "Reply", url: "/drafts/7#reply" }, { title: "Show all comments", url: "https://example.com/" }] });
      await service.publish("Disk on db-2 is 91 % full", { body: "At this pace it is full by 18:40.", priority: "high" });
      await eventually(inbox.badge, "2");
      await inbox.click("[part=bell]");
      await eventually(inbox.titles, ["Disk on db-2 is 91 % full*", "Edith mentioned you in a draft*"]);
      await tab.run(() => Promise.all(document.querySelector("bellhop-inbox").shadowRoot.getAnimations().map(({ finished }) => finished)).then(() => {}));
      await tab.page.screenshot({ path: join(process.env.SCREENSHOTS ?? dir.path, `inbox-firefox-${name}.png`) });
      await audit(tab.page);
      await inbox.click("#tab-1");
      await eventually(inbox.titles, ["Edith mentioned you in a draft*"]);
      await eventually(inbox.badge, ""); // both were seen
      await tab.page.screenshot({ path: join(process.env.SCREENSHOTS ?? dir.path, `tab-firefox-${name}.png`) });
      await audit(tab.page);
      assert.deepEqual(await inbox.errors(), []);
    });
  }
});
