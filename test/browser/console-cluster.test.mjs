// Tests of the console of a cluster's node that loses NATS, in Chromium and Firefox.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { audit } from "./audit.mjs";
import { clusterNode, NATSServer } from "./cluster.mjs";
import { BROWSERS, ConsolePage } from "./console.mjs";
import { eventually } from "./demo.mjs";
import { binary, scratch } from "./service.mjs";

const CUT_OFF = "this node is cut off from the journal: no connection to NATS";

let dir, nats, a, b; // a cluster for both browsers
before(async () => {
  dir = scratch();
  const bin = binary(dir.path);
  nats = new NATSServer(dir.path);
  await nats.start();
  [a, b] = ["a", "b"].map((node) => clusterNode(bin, dir.path, nats, node));
  await Promise.all([a.start(), b.start()]);
});
after(async () => {
  await Promise.all([a?.stop("SIGKILL"), b?.stop("SIGKILL"), nats?.kill()]);
  dir?.remove();
});

for (const [name, start] of Object.entries(BROWSERS)) {
  describe(`the console of a cluster in ${name}`, { timeout: 600_000 }, () => {
    let browser;
    before(async () => {
      browser = await start();
    });
    after(() => browser?.close());

    async function open(t, options) {
      const page = await ConsolePage.open(browser, a.admin, options);
      t.after(async () => {
        await page.close();
        assert.deepEqual(page.errors, []);
      });
      return page;
    }

    // The rows of the table of nodes, with placeholders for what differs in each run.
    async function nodes(page) {
      const rows = await page.texts("#nodes tbody tr");
      return rows.map((row) => row.replace(/ \d+ (–|0 s) \S+$/, " SEQUENCE $1 VERSION").replace(/since \d\d:\d\d:\d\d/, "since TIME"));
    }

    it("says that NATS is lost and what is unknown then, and continues by itself", async (t) => {
      const page = await open(t);
      await page.ready();
      const ready = ["a this node ready 0 SEQUENCE 0 s VERSION", "b ready 0 SEQUENCE 0 s VERSION"];
      await eventually(() => nodes(page), ready);
      assert.equal((await page.legend("Lag"))["this node"], "0 ms");
      await page.run(() => {
        new MutationObserver(() => (window.gone ||= /\bgone\b/.test(document.querySelector("#nodes tbody").innerText))).observe(document.querySelector("#nodes tbody"), { childList: true });
      });

      await nats.kill();
      await page.shows("#status", `Not ready ${CUT_OFF}`);
      await eventually(() => nodes(page), [
        `a this node not ready ${CUT_OFF} 0 SEQUENCE – VERSION`, "b unknown not heard of since TIME, because this node is cut off – SEQUENCE – VERSION",
      ]);
      assert.deepEqual(await page.legend("Lag"), { "this node": "–", "last of the others": "–" });
      await audit(page.page);
      await page.screenshot(join(process.env.SCREENSHOTS ?? dir.path, `console-cut-off-${name}.png`));
      await page.lookUp("ada");
      await page.matches("[aria-label=Connections]", /^Connections Did not answer, so that their connections are missing: b /);
      await page.click("Send a test", "#view-user");
      await page.click("Send", "#send");
      await page.shows("#send-answer", `503 The service is unavailable: ${CUT_OFF}`);
      await page.goTo("#live");

      await nats.start();
      await page.ready();
      await eventually(() => nodes(page), ready);
      assert.equal((await page.legend("Lag"))["this node"], "0 ms");
      assert.equal(await page.run(() => window.gone), false); // b was running all the time
      await page.lookUp("ada");
      await page.shows("[aria-label=Connections]", "Connections ada has no open connection.");
      await page.goTo("#send");
      await eventually(async () => { // NATS may still refuse the first ones
        await page.click("Send", "#send");
        await page.matches("#send-answer", /^(Stored as|503) /);
        return (await page.texts("#send-answer"))[0].startsWith("Stored as ");
      }, true);
    });

    // The node stays ready: it stores and delivers what is published on any node.
    it("says that the nodes do not reach each other while NATS refuses their messages, and why", async (t) => {
      const why = "messages to the other nodes do not come back from NATS; may the NATS user publish and subscribe to bellhop.BELLHOP.peers.>?";
      const page = await open(t);
      await page.ready();
      const ready = ["a this node ready 0 SEQUENCE 0 s VERSION", "b ready 0 SEQUENCE 0 s VERSION"];
      await eventually(() => nodes(page), ready);
      nats.refuse("bellhop.BELLHOP.peers.>");
      await page.shows("#status", `Ready, but cut off from the nodes ${why}`);
      await eventually(() => nodes(page), [
        `a this node ready cut off from the nodes ${why} 0 SEQUENCE 0 s VERSION`,
        "b unknown not heard of since TIME, because this node is cut off – SEQUENCE – VERSION",
      ]);
      await audit(page.page);
      await page.screenshot(join(process.env.SCREENSHOTS ?? dir.path, `console-apart-${name}.png`));
      nats.refuse();
      await page.ready();
      await eventually(() => nodes(page), ready);
    });

    it("says why a node that was started without NATS does not serve, and continues by itself", async (t) => {
      await a.stop("SIGKILL");
      await nats.kill();
      await a.start();
      const page = await open(t, { hash: "#user=ada" });
      await page.matches("#trouble", /^No connection since \d\d:\d\d:\d\d: 503 this node cannot follow its journal: no connection to NATS\. Next attempt in \d+ s\. Try now$/);
      await audit(page.page);
      await nats.start();
      await page.ready();
      await page.matches("[aria-label=Inbox]", /\d unread/);
    });
  });
}
