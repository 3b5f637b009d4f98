import { expect, it } from "vitest";
import { Lines, MAX_LINES, ofPrincipal, ofTarget } from "../src/audit.js";

const line = (n: number, more = {}) => ({ time: `2026-12-01T09:00:00.${n}Z`, action: "recall", outcome: "done", ...more });

it("keeps the newest lines, and each once", () => {
  const lines = new Lines();
  for (let i = 0; i < 2 * MAX_LINES; i++) expect(lines.add(line(i))).toBe(true);
  expect(lines.add(line(2 * MAX_LINES - 1))).toBe(false); // sent again after a reconnect
  expect(lines.size).toBe(MAX_LINES);
  expect(lines.matching("", "")[0]).toEqual(line(2 * MAX_LINES - 1));
});

it("keeps the lines about actions when refused requests arrive without end", () => {
  const lines = new Lines();
  for (let i = 0; i < MAX_LINES / 2; i++) lines.add(line(i));
  for (let i = 0; i < 10 * MAX_LINES; i++) lines.add(line(i, { outcome: i % 2 ? "refused" : "failed" }));
  expect(lines.size).toBe(MAX_LINES);
  expect(lines.matching("", "done").length).toBe(MAX_LINES / 2);
  expect(lines.matching("", "refused")[0]).toEqual(line(10 * MAX_LINES - 1, { outcome: "refused" }));
  for (let i = 0; i < MAX_LINES; i++) lines.add(line(MAX_LINES + i));
  expect(lines.size).toBe(MAX_LINES);
  expect(lines.matching("", "refused").length + lines.matching("", "failed").length).toBe(MAX_LINES / 2);
});

it("sorts lines by their time, since those that stand for several arrive late", () => {
  const lines = new Lines();
  for (const n of [2, 3, 1]) lines.add(line(n));
  lines.add({ ...line(4), time: "no time" });
  expect(lines.matching("", "").filter(({ time }) => time !== "no time")).toEqual([line(3), line(2), line(1)]);
});

it("finds lines by all their words and by their outcome", () => {
  const lines = new Lines();
  lines.add(line(1, { principal: "user:Operator", target: "0193" }));
  lines.add(line(2, { principal: "user:operator", outcome: "refused" }));
  expect(lines.matching("OPERATOR recall", "").length).toBe(2);
  expect(lines.matching("operator 0193", "").length).toBe(1);
  expect(lines.matching("", "refused").map(({ time }) => time)).toEqual([line(2).time]);
  expect(lines.matching("nobody", "")).toEqual([]);
});

it("finds the lines that a user has caused by the name, too, once the hash is known", () => {
  const lines = new Lines();
  lines.add(line(1, { target: "Auth0|7" }));
  lines.add(line(2, { principal: undefined, user: "a7166ead56dadac9" }));
  expect(lines.matching("Auth0|7", "").length).toBe(1);
  lines.alias("Auth0|7", "a7166ead56dadac9");
  expect(lines.matching("Auth0|7", "").length).toBe(2);
  expect(lines.matching("auth0|8", "").length).toBe(0);
});

it("leads from a line to its user and its notification", () => {
  const id = "0193a6c2-7d1e-7b3a-9c44-5d2e8f10a7b6";
  expect(ofPrincipal(line(1, { principal: "user:acme:ada" }))).toBe("#user=acme%3Aada");
  expect(ofPrincipal(line(1, { principal: "key:shop" }))).toBe(undefined);
  expect(ofPrincipal(line(1))).toBe(undefined);
  expect(ofTarget(line(1, { target: id }))).toBe(`#notification=${id}`);
  expect(ofTarget(line(1, { action: "disconnect", target: id }))).toBe(`#user=${id}`);
  expect(ofTarget(line(1, { action: "GET /console/api/users/:user/topics", target: "ada", principal: "console" }))).toBe("#user=ada");
  expect(ofTarget(line(1, { action: "GET /users/:user/topics", target: "8f14e45fceea167a", user: "c9f0f895fb98ab91" }))).toBe(undefined);
  expect(ofTarget(line(1, { action: "revoke", target: "tokens of ada before 2026-12-01T09:00:00Z" }))).toBe(undefined);
  expect(ofTarget(line(1))).toBe(undefined);
});
