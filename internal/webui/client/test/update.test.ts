import { expect, it } from "vitest";
import type { Preferences } from "../src/index.js";
import { browser, jwt, open, settle } from "./fakes.js";
import { refusal, service } from "./stored.js";

const add = (type: string) => (before: Preferences): Preferences => ({ ...before, rules: [...before.rules, { type, level: "off" }] });

it("preferences are read from the service", async () => {
  const { bell } = await open();
  service.stored = { rules: [{ type: "comment.*", level: "silent" }], quiet: { from: "22:00", to: "07:00", zone: "Europe/Berlin" } };
  expect(await bell.preferences()).toEqual(service.stored);
  expect(service.requests).toEqual(["GET"]);
});

it("a change is applied to what the service has stored", async () => {
  const { bell } = await open();
  service.stored = { rules: [{ topic: "project.7", level: "alert" }], quiet: { from: "22:00", to: "07:00", zone: "UTC" } };
  expect(await bell.preferences(add("a"))).toEqual(service.stored);
  expect(service.stored).toEqual({ rules: [{ topic: "project.7", level: "alert" }, { type: "a", level: "off" }], quiet: { from: "22:00", to: "07:00", zone: "UTC" } });
});

it("a change that changes nothing is not written", async () => {
  const { bell } = await open();
  await bell.preferences((before) => ({ rules: [...before.rules] }));
  expect(service.requests).toEqual(["GET"]);
});

it("the tabs of a browser change preferences one after another", async () => {
  const [one, two] = [await open(), await open()];
  await Promise.all([one.bell.preferences(add("a")), two.bell.preferences(add("b")), one.bell.preferences(add("c"))]);
  expect(service.stored.rules.map(({ type }) => type)).toEqual(["a", "b", "c"]);
  expect(service.requests).toEqual(["GET", "PUT", "GET", "PUT", "GET", "PUT"]);
});

it("preferences change without locks, too", async () => {
  browser.refused.add("locks");
  const { bell } = await open();
  await bell.preferences(add("a"));
  expect(service.stored.rules.length).toBe(1);
});

it("a refusal has the status and the explanation of the service, and releases the lock", async () => {
  const { bell } = await open();
  service.intercept = (method) => (method === "PUT" ? refusal(422, "rules must have at most 100 items") : undefined);
  await expect(bell.preferences(add("a"))).rejects.toMatchObject({ status: 422, message: "rules must have at most 100 items" });
  const errors = [{ pointer: "/rules", detail: "must have at most 100 items" }, { pointer: "/quiet/zone", detail: "must be a name" }];
  service.intercept = () => Response.json({ detail: "see errors", errors }, { status: 422 });
  await expect(bell.preferences()).rejects.toMatchObject({ message: "rules must have at most 100 items; quiet/zone must be a name" });
  service.intercept = () => new Response("<h1>Bad gateway</h1>", { status: 502 });
  await expect(bell.preferences()).rejects.toMatchObject({ status: 502, message: "preferences: 502" });
  service.intercept = () => undefined;
  await bell.preferences(add("b"));
  expect(service.stored.rules).toEqual([{ type: "b", level: "off" }]);
});

it("preferences have the status 401 if no user is logged in", async () => {
  const { bell } = await open({ token: async () => null });
  await expect(bell.preferences()).rejects.toMatchObject({ status: 401 });
  expect(service.requests).toEqual([]);
});

it("a change is not written for another user", async () => {
  let user = "ada";
  const { bell } = await open({ token: async () => jwt({ sub: user }), share: false });
  service.intercept = (method) => {
    if (method === "GET" && user === "ada") user = "grace";
    else if (service.users.length === 2) return refusal(401, "The token has expired");
    return undefined;
  };
  await bell.preferences(add("a")).catch(() => {});
  await settle();
  expect([service.users.includes("grace"), service.stored.rules]).toEqual([false, []]);
});
