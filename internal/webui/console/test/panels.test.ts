import { expect, it } from "vitest";
import { LIMIT, panels } from "../src/panels.js";
import type { Sample } from "../src/types.js";

const EMPTY: Sample = { time: 1000, ready: true };

it("has a value for each series of each chart, also of a sample without numbers", () => {
  const samples: Sample[] = [EMPTY, { ...EMPTY, time: 2000, connections: { websocket: 1 }, closes: { "1000 normal": 1, "4408 slow": 2 }, refusals: { limit: 1 }, store: { limit_bytes: 5 } }];
  for (const panel of panels()) {
    const series = panel.series(samples);
    for (const sample of samples) expect(panel.read(sample).length, panel.title).toBeGreaterThanOrEqual(series.length);
    expect(panel.read(EMPTY).every((value) => value === undefined), panel.title).toBe(true);
  }
});

it("shows at most six reasons, and the others together", () => {
  const closes = panels().find(({ title }) => title === "Closes per second")!;
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`reason ${i}`, 1]));
  expect(closes.series([{ ...EMPTY, closes: many }]).map(({ name }) => name).at(-1)).toBe("other");
  expect(closes.read({ ...EMPTY, closes: many })).toEqual([1, 1, 1, 1, 1, 45]);
});

it("shows the limit of the store only if there is one", () => {
  const store = panels().find(({ title }) => title === "Store")!;
  const names = (limit_bytes: number) => store.series([{ ...EMPTY, store: { limit_bytes } }]).map(({ name }) => name);
  expect(names(0)).not.toContain(LIMIT);
  expect(names(7)).toContain(LIMIT);
});

it("has charts with different titles", () => {
  const titles = panels().map(({ title }) => title);
  expect(new Set(titles).size).toBe(titles.length);
});

it("draws how far this node and the last of the others are behind the journal", () => {
  const lag = panels().find(({ title }) => title === "Lag")!;
  const nodes = [{ name: "a", lag_seconds: 0.5, this: true }, { name: "b", lag_seconds: 7 }, { name: "c", lag_seconds: 65 }, { name: "d" }];
  expect(lag.read({ ...EMPTY, lag_seconds: 0.5, nodes })).toEqual([0.5, 65]);
  expect(lag.read({ ...EMPTY, lag_seconds: 0.5, nodes: nodes.slice(0, 1) })).toEqual([0.5, undefined]);
});

it("draws the connections that are opened and closed", () => {
  const rates = panels().find(({ title }) => title === "Connections per second")!;
  expect(rates.read({ ...EMPTY, opened: 3, closes: { "1000 normal": 1, "4408 slow": 2 } })).toEqual([3, 3]);
});
