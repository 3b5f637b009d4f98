// Tests of the console's lookups and actions in Chromium and Firefox, with a service whose answers the tests choose.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { BROWSERS, ConsolePage } from "./console.mjs";
import { ConsoleService, samples } from "./console-service.mjs";
import { ada, ID, lineAt, NEWER, notification } from "./console-data.mjs";
import { eventually } from "./demo.mjs";

const HOSTILE = `<img src=x onerror="alert(1)"><script>alert(2)</script> & 'quotes' "double" \u202E مرحبا {{7*7}}`;

for (const [name, start] of Object.entries(BROWSERS)) {
  describe(`lookups and actions of the console in ${name}`, { timeout: 600_000 }, () => {
    let browser;
    before(async () => {
      browser = await start();
    });
    after(() => browser?.close());

    async function open(t, hash = "", prepare = () => {}) {
      const service = await ConsoleService.start();
      t.after(() => service.close());
      service.history = samples(60);
      service.answers = ada();
      prepare(service);
      const page = await ConsolePage.open(browser, service.origin, { hash });
      t.after(async () => {
        await page.close();
        assert.deepEqual(page.errors, []);
      });
      await page.ready();
      return { service, page, sent: () => service.requests.filter(([method]) => method !== "GET") };
    }

    it("looks up a user: connections, topics, preferences, inbox", async (t) => {
      const { page } = await open(t);
      await page.press("/");
      await page.type("ada");
      await page.press("Enter");
      await page.shows("#view-user h2", "ada");
      assert.equal(await page.run(() => location.hash), "#user=ada");
      await page.matches("[aria-label=Connections]", /websocket on a from 192\.0\.2\.7 since 27 Nov, .*events on b since/);
      await page.showsAll("[aria-label=Topics] li", ["discussion.7", "news"]);
      await page.showsAll("[aria-label=Preferences] li", ["off type comment.* and topic project.7", "alert everything"]);
      assert.match(await page.text("[aria-label=Preferences]"), /Quiet from 22:00 to 07:00, Europe\/Berlin\.$/);
      await page.showsAll(".inbox a", ["Grace commented", "Seen"]);
      assert.match((await page.texts(".inbox li"))[0], /Grace commented high unseen .*comment\.created$/);
      assert.match((await page.texts(".inbox li"))[1], /^Seen seen .*, to everyone$/);
      assert.match(await page.text("[aria-label=Inbox]"), /2 unread, 1 unseen/);

      await page.click("Older ones");
      await page.showsAll(".inbox a", ["Grace commented", "Seen", "Older"]);
      assert.match((await page.texts(".inbox li"))[2], /Older high read .*, topic news$/);
      assert.doesNotMatch(await page.text("[aria-label=Inbox]"), /Older ones/);
      await page.fill("[aria-label=Inbox] select", "archived");
      await page.showsAll(".inbox a", ["Archived"]);
      await page.click("Archived", ".inbox");
      await page.shows("#view-notification h2", "Grace commented");
      assert.equal(await page.run(() => location.hash), `#notification=${ID}&user=ada`);
    });

    it("lists what has left the inbox of a user, and why, page by page", async (t) => {
      const { page, service } = await open(t, "#user=ada");
      await page.matches(".removed li", new RegExp(`^Replaced replaced It left the inbox, replaced by ${NEWER} 27 Nov, .*published 27 Nov, .*, read until then$`));
      assert.match((await page.texts(".removed li"))[1], /^build\.failed evicted It left the inbox: evicted because the history was full\. .*, unseen until then$/);
      assert.match(await page.text("[aria-label=Removed]"), /Listed are those since 27 Nov, /);
      await page.click("Search older ones");
      await eventually(async () => (await page.texts(".removed li")).length, 3);
      assert.match((await page.texts(".removed li"))[2], /^news\.posted recalled It was recalled from the inbox\. .*, to everyone$/);
      assert.doesNotMatch(await page.text("[aria-label=Removed]"), /Search older ones/);
      await page.click("Replaced", ".removed");
      await page.shows("#view-notification h2", "Grace commented");
      assert.equal(await page.run(() => location.hash), `#notification=${ID}&user=ada`);

      service.answers["GET users/eve/removed"] = (path) => (path.includes("before=") ? { items: [] } : { items: [], next: "older", searched_to: "2026-11-27T09:00:00Z" });
      await page.lookUp("eve");
      await page.matches("[aria-label=Removed]", /^Removed Nothing is listed since 27 Nov, \S+ Search older ones Notifications that have left /);
      await page.click("Search older ones");
      await page.matches("[aria-label=Removed]", /^Removed Nothing is listed\. Notifications that have left /);
    });

    it("keeps the focus of the keyboard in its place when the page is filled again", async (t) => {
      const { page, service } = await open(t, "#user=ada");
      const key = async (selector, name) => {
        await page.run((selector, name) => [...document.querySelectorAll(selector)].find((one) => !name || one.innerText === name).focus(), selector, name);
        await page.press("Enter");
      };
      await page.showsAll(".inbox a", ["Grace commented", "Seen"]);
      await page.matches(".removed li", /^Replaced/);
      await key("#view-user button", "Older ones");
      await eventually(() => page.focused(), "Older");
      await key("#view-user button", "Search older ones");
      await eventually(() => page.focused(), "news.posted");
      await page.fill("[aria-label=Inbox] select", "archived");
      await page.showsAll(".inbox a", ["Archived"]);
      assert.equal(await page.run(() => document.activeElement.value), "archived");

      service.answers["DELETE users/ada/connections"] = 204;
      await key("#view-user button", "Disconnect");
      await key("#confirm-yes");
      await page.shows("#notice-text", "Disconnected ada.");
      await eventually(() => page.focused(), "ada"); // the title, since the button is gone
      await page.press("Escape");
      await eventually(() => page.text("#notice"), undefined);
      await page.goTo(`#notification=${ID}&user=ada`);
      await page.showsAll(".of-user h4", ["ada"]);
      await page.click("All users", "#view-notification");
      await page.showsAll(".of-user h4", ["ada", "eve", "bob"]);
    });

    it("loads a page of an inbox once, however often the button is clicked", async (t) => {
      const { page, service } = await open(t, "#user=ada");
      await page.matches("[aria-label=Inbox]", /Older ones/);
      await page.run(() => {
        const button = [...document.querySelectorAll("[aria-label=Inbox] button")].find((one) => one.innerText === "Older ones");
        for (let i = 0; i < 3; i++) button.click();
      });
      await page.showsAll(".inbox a", ["Grace commented", "Seen", "Older"]);
      assert.equal(service.requests.filter(([, path]) => path.includes("before=older")).length, 1);
    });

    it("takes a name in a link as it is, even with a plus sign", async (t) => {
      const { page, service } = await open(t, "#user=ada+x@example.com");
      await page.shows("#view-user h2", "ada+x@example.com");
      await eventually(() => service.requests.some(([, path]) => path === "users/ada%2Bx%40example.com/topics"), true);
      await page.lookUp("ada+y");
      await page.shows("#view-user h2", "ada+y");
      assert.equal(await page.run(() => location.hash), "#user=ada%2By");
    });

    it("revokes until the time of the service, whatever the browser's clock says", async (t) => {
      const time = Date.now() - 3_600_000;
      const { page, service, sent } = await open(t, "#user=ada", (service) => (service.history = samples(60, time - 1_000)));
      service.answers["POST revocations"] = 204;
      service.sample({ ...service.history.at(-1), time, ready: false, reason: "an hour behind" });
      await page.shows("#status strong", "Not ready");
      await page.click("Revoke tokens", "#view-user");
      await page.click("Revoke tokens", "#confirm");
      await page.shows("#notice-text", "Revoked the tokens of ada.");
      const [[, , { issued_before }]] = sent();
      assert.ok(Date.parse(issued_before) >= time && Date.parse(issued_before) < time + 1_800_000, issued_before);
    });

    it("shows what it can of a user when a part fails", async (t) => {
      const { page } = await open(t, "#user=ada", ({ answers }) => {
        answers["GET users/ada/topics"] = { status: 503, title: "Unavailable", detail: "the store cannot be read" };
        answers["GET users/ada/connections"].incomplete = ["c"];
      });
      await page.matches("[aria-label=Topics]", /503 Unavailable: the store cannot be read/);
      await page.matches("[aria-label=Connections]", /Did not answer, so that their connections are missing: c/);
      await page.showsAll(".inbox a", ["Grace commented", "Seen"]);
    });

    it("shows nothing of an earlier lookup that answers late", async (t) => {
      let release;
      const { page, service } = await open(t);
      service.delay = { path: `notifications/${NEWER}`, until: new Promise((resolve) => (release = resolve)) };
      service.answers[`GET notifications/${NEWER}`] = { notification: notification({ title: "late" }), state: "kept", users: [] };
      await page.lookUp(NEWER);
      await eventually(async () => service.requests.some(([, path]) => path === `notifications/${NEWER}`), true);
      await page.lookUp(ID);
      await page.shows("#view-notification h2", "Grace commented");
      release();
      await service.delayed;
      await page.run(() => fetch("console").then((answer) => answer.text()).then(() => {})); // later than the answer
      assert.equal(await page.text("#view-notification h2"), "Grace commented");
    });

    it("tells the story of a notification", async (t) => {
      const { page } = await open(t);
      await page.lookUp(ID);
      await page.shows("#view-notification h2", "Grace commented");
      assert.match(await page.text("[aria-label='What became of it']"), /Published by key:backend to 3 users\. 27 Nov, .*It is kept\.$/);
      assert.match(await page.text("[aria-label=Content]"), /“Lovely\.” type comment\.created priority high url \/drafts\/7 data \{ "issue": 42 \}/);
      const [first, second, third] = await page.texts(".of-user");
      assert.match(first, /^ada Delivered to a device\. .*Seen\. .*Read\. .*Rule 2 of the preferences applies: everything is alert\. It is in the inbox\. 2 connections open now, since /);
      assert.match(second, new RegExp(`^eve It left the inbox, replaced by ${NEWER} 27 Nov, .* No connection is open now\\.$`));
      assert.match(third, /^bob Rule 1 of the preferences applies: type comment\.\* is off\. It is not shown because the user's preferences hide it\./);
      await page.fill("#view-notification [name=user]", "bob");
      await page.press("Enter");
      await eventually(async () => (await page.texts(".of-user h4")).join(), "bob");
      await page.fill("#view-notification [name=user]", "mallory");
      await page.press("Enter");
      await page.matches("[aria-label=Users]", /It was published to other users than mallory\./);
      await page.goTo(`#notification=${NEWER}`);
      await page.matches("#view-notification", /404 Not found: there is no such notification/);
      await page.click(`look up the user ${NEWER}`);
      await page.shows("#view-user h2", NEWER);
    });

    it("recalls a notification after it has asked, and shows why it could not", async (t) => {
      const { page, service, sent } = await open(t, `#notification=${ID}`);
      await page.shows("#view-notification h2", "Grace commented");
      await page.click("Recall");
      await page.shows("#confirm h2", "Recall this notification?");
      assert.match(await page.text("#confirm-text"), /“Grace commented” leaves all inboxes/);
      assert.equal(await page.focused(), "confirm-no"); // Enter does not confirm
      await page.press("Enter");
      await eventually(() => page.text("#confirm"), undefined);
      assert.equal(await page.focused(), "Recall");

      service.answers[`DELETE notifications/${ID}`] = { status: 503, title: "Unavailable", detail: "the journal does not answer" };
      await page.click("Recall");
      await page.click("Recall", "#confirm");
      await page.shows("#confirm-answer", "503 Unavailable: the journal does not answer");
      service.answers[`DELETE notifications/${ID}`] = () => {
        service.answers[`GET notifications/${ID}`] = { notification: { id: ID, time: "2026-11-27T09:00:00Z", audience: "user" }, state: "recalled", removed_at: "2026-11-27T09:30:00Z", users: [] };
        return 204;
      };
      await page.click("Recall", "#confirm");
      await page.matches("#view-notification", /It was recalled from every inbox\./);
      await page.shows("#notice-text", `Recalled ${ID}.`);
      assert.equal(await page.run(() => [...document.querySelectorAll("#view-notification button.danger")].length), 0);
      assert.deepEqual(sent().map(([method, path]) => `${method} ${path}`), [`DELETE notifications/${ID}`, `DELETE notifications/${ID}`]);
      await page.click("Close");
      assert.equal(await page.text("#notice"), undefined);
    });

    it("disconnects a user, and revokes the user's tokens", async (t) => {
      const { page, service, sent } = await open(t, "#user=ada");
      service.answers["DELETE users/ada/connections"] = () => {
        service.answers["GET users/ada/connections"] = { connections: [] };
        return 204;
      };
      await page.click("Disconnect");
      await page.matches("#confirm", /Disconnect ada\? All connections of this user close\./);
      await page.click("Disconnect", "#confirm");
      await page.matches("[aria-label=Connections]", /ada has no open connection\./);
      await page.shows("#notice-text", "Disconnected ada.");

      service.answers["POST revocations"] = 204;
      const before = Date.now();
      await page.click("Revoke tokens", "#view-user");
      await page.shows("#confirm h2", "Revoke all tokens of ada?");
      await page.click("Revoke tokens", "#confirm");
      await page.shows("#notice-text", "Revoked the tokens of ada.");
      const [, [method, path, { user, issued_before }]] = sent();
      assert.deepEqual([method, path, user], ["POST", "revocations", "ada"]);
      assert.ok(Date.parse(issued_before) >= before && Date.parse(issued_before) <= Date.now(), issued_before);
    });

    it("revokes one token, and the tokens of a user by name", async (t) => {
      const { page, service, sent } = await open(t, "#revoke");
      service.answers["POST revocations"] = 204;
      await page.fill("#revoke-token [name=jti]", "5f0c1a52");
      await page.press("Enter");
      await page.click("Revoke token", "#confirm");
      await page.shows("#notice-text", "Revoked the token 5f0c1a52.");
      await page.fill("#revoke-token [name=jti]", "77");
      await page.fill("#revoke-token [name=issuer]", "https://login.example.com");
      await page.press("Enter");
      await page.click("Revoke token", "#confirm");
      await page.shows("#notice-text", "Revoked the token 77.");
      await page.fill("#revoke-user [name=user]", "grace");
      await page.press("Enter");
      await page.click("Revoke tokens", "#confirm");
      await page.shows("#notice-text", "Revoked the tokens of grace.");
      assert.deepEqual(sent().map(([, , { issued_before, ...body }]) => body), [{ jti: "5f0c1a52" }, { jti: "77", issuer: "https://login.example.com" }, { user: "grace" }]);
    });

    it("sends a test, and asks before it sends one to everyone", async (t) => {
      const { page, service, sent } = await open(t, "#user=ada");
      service.answers["POST notify"] = { status: 422, title: "Invalid", detail: "the notification is not valid", errors: [{ pointer: "/url", detail: "must be an absolute URL" }] };
      await page.click("Send a test", "#view-user");
      await page.shows("#view-send h2", "Send a test notification");
      assert.equal(await page.run(() => document.querySelector("#send [name=name]").value), "ada");
      await page.fill("#send [name=url]", "javascript:alert(1)");
      await page.press("Enter");
      await page.matches("#send-answer", /422 Invalid: the notification is not valid \/url: must be an absolute URL/);

      service.answers["POST notify"] = { id: ID, recipients: 1, duplicate: false };
      await page.fill("#send [name=url]", "");
      await page.fill("#send [name=title]", "Hello");
      await page.fill("#send [name=body]", "Is it there?");
      await page.click("Send", "#send");
      await page.matches("#send-answer", new RegExp(`^Stored as ${ID}\\.`));
      assert.deepEqual(sent().at(-1)[2], { to: { users: ["ada"] }, type: "console.test", priority: "normal", receipt: true, title: "Hello", body: "Is it there?" });

      await page.fill("#send [name=to]", "topic");
      await page.fill("#send [name=name]", "news");
      await page.click("Send", "#send");
      await eventually(() => sent().at(-1)[2].to, { topics: ["news"] });
      await page.fill("#send [name=to]", "all");
      await page.click("Send", "#send");
      await page.shows("#confirm h2", "Send to everyone?");
      assert.equal(sent().length, 3);
      await page.click("Send to everyone", "#confirm");
      await page.shows("#notice-text", "Sent to everyone.");
      assert.deepEqual(sent().at(-1)[2].to, { all: true });
      await page.click(ID, "#send-answer");
      await page.shows("#view-notification h2", "Grace commented");
      assert.equal(await page.text("#notice"), undefined); // it was about the view before
    });

    it("shows the audit lines of a user, and the hash of the name in other lines of the log", async (t) => {
      const { page, service } = await open(t, "#user=ada", (service) => {
        service.lines = [lineAt(1, { target: "ada" }), lineAt(2, { target: "another", principal: "user:grace" }), lineAt(3, { action: "connection", principal: undefined, target: undefined, user: "h4sh" })];
      });
      await page.showsAll("#audit-lines li .action", ["connection", "recall", "recall"]);
      await page.click("user:grace", "#audit-lines");
      await page.shows("#view-user h2", "grace");
      await page.run(() => history.back());
      await page.shows("#view-user h2", "ada");
      await page.click("Audit lines");
      await page.shows("#audit-count", "2 of 3 lines");
      await page.matches("#audit-lines", /connection .*by user h4sh .*on ada/);
      assert.match(await page.text("#view-user .hash"), /^In the log: h4sh /);
      await page.click("Name in the log");
      await page.click("Copy", "#view-user");
      await page.matches("#view-user .hash", /^In the log: h4sh (Copied|Selected)$/);
      assert.equal(service.requests.filter(([, path]) => path.startsWith("log-user")).length, 1); // each is an audit line
    });

    it("shows hostile names, titles and reasons as text", async (t) => {
      const user = "<b>eve</b>/../&?#%2F\"'";
      const path = `users/${encodeURIComponent(user)}`;
      const bad = { title: HOSTILE, body: HOSTILE, type: HOSTILE, topic: HOSTILE, audience: "topic", url: "javascript:alert(1)", data: { [HOSTILE]: HOSTILE }, actions: [{ title: HOSTILE, url: "javascript:alert(2)" }], collapse_key: HOSTILE, priority: HOSTILE, time: HOSTILE };
      const { page, service } = await open(t, "", (service) => {
        service.hello = { ...service.hello, node: HOSTILE, version: HOSTILE, principal: HOSTILE };
        service.answers = {
          [`GET ${path}/connections`]: { connections: [{ connection: HOSTILE, transport: HOSTILE, node: HOSTILE, since: HOSTILE, address: HOSTILE }], incomplete: [HOSTILE] },
          [`GET ${path}/topics`]: { topics: [HOSTILE] },
          [`GET ${path}/preferences`]: { rules: [{ type: HOSTILE, topic: HOSTILE, level: HOSTILE }], quiet: { from: HOSTILE, to: HOSTILE, zone: HOSTILE } },
          [`GET ${path}/inbox`]: { items: [notification({ ...bad, id: HOSTILE })], unread_count: 0, unseen_count: 0 },
          [`GET notifications/${encodeURIComponent(HOSTILE)}`]: {
            notification: notification({ ...bad, id: HOSTILE }), published_by: HOSTILE, topics: [HOSTILE], state: HOSTILE, reason: HOSTILE, removed_at: HOSTILE,
            users: [{ user: HOSTILE, state: "replaced", replaced_by: HOSTILE, removed_at: HOSTILE, rule: { number: 1, type: HOSTILE, level: HOSTILE }, connected_since: HOSTILE, connections: 1 }],
          },
          [`DELETE ${path}/connections`]: { status: 503, title: HOSTILE, detail: HOSTILE },
        };
      });
      const time = Date.now() + 5_000;
      service.sample({ time, ready: false, reason: HOSTILE, connections: { [HOSTILE]: 1 }, closes: { [HOSTILE]: 1 }, refusals: { [HOSTILE]: 1 }, nodes: [{ name: HOSTILE, version: HOSTILE, reason: HOSTILE }] });
      await page.matches("#status", /^Not ready <img src=x onerror="alert\(1\)"><script>/);
      service.send("audit", Object.fromEntries(["time", "level", "message", "action", "outcome", "principal", "issuer", "target", "problem", "reason", "request", "address"].map((key) => [key, HOSTILE])));
      await page.matches("#audit-lines", /<script>alert\(2\)<\/script>/);
      assert.ok(Object.keys(await page.legend("Closes per second")).includes(HOSTILE));
      await page.lookUp(user);
      await page.shows("#view-user h2", user);
      await page.matches(".inbox", /<img src=x/);
      await page.click("Disconnect", "#view-user");
      await page.click("Disconnect", "#confirm");
      await page.matches("#confirm-answer", /<script>alert\(2\)<\/script>/);
      await page.press("Escape");
      await page.goTo(`#notification=${encodeURIComponent(HOSTILE)}`);
      await page.matches(".of-user", /<img src=x/);
      const made = await page.run(() => ({
        elements: document.querySelectorAll("img, script:not([src]), b:empty, iframe").length,
        scripts: document.querySelectorAll("script").length,
        links: [...document.querySelectorAll("a")].map((a) => a.protocol).filter((protocol) => protocol !== "http:"),
      }));
      assert.deepEqual(made, { elements: 1, scripts: 2, links: [] }); // the empty element is for the time at the crosshair
    });
  });
}
