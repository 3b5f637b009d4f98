import { expect, it } from "vitest";
import { columns, mean, Names, newest, nodes, Ring, stack, WINDOW } from "../src/ring.js";
import type { Sample } from "../src/types.js";

const at = (second: number, more: Partial<Sample> = {}): Sample => ({ time: second * 1000, ready: true, ...more });

it("keeps the samples of ten minutes, and no more", () => {
  const ring = new Ring();
  for (let i = 0; i < 5_000; i++) ring.push(at(i));
  expect(ring.samples.length).toBe(WINDOW);
  expect(ring.last?.time).toBe(4_999_000);
  for (let i = 0; i < 5_000; i++) ring.push({ ...at(5_000), time: 5_000_000 + i }); // faster than one a second
  expect(ring.samples.length).toBe(WINDOW);
});

it("ignores a sample that is not newer than the last, or has no time", () => {
  const ring = new Ring();
  ring.push(at(2));
  ring.push(at(2));
  ring.push(at(1));
  ring.push({ ready: true } as Sample);
  expect(ring.samples.map(({ time }) => time)).toEqual([2000]);
});

it("takes over the history, and keeps what an earlier process has sent", () => {
  const ring = new Ring();
  for (const second of [1, 2, 3]) ring.push(at(second, { deliveries: 1 }));
  ring.replace([at(3, { deliveries: 7 }), at(4)]);
  expect(ring.samples.map(({ time, deliveries }) => [time / 1000, deliveries])).toEqual([[1, 1], [2, 1], [3, 7], [4, undefined]]);
  ring.replace([]);
  expect(ring.samples.length).toBe(4);
});

it("has a gap where samples are missing or have no value", () => {
  const samples = [at(1, { deliveries: 1 }), at(2), at(3, { deliveries: 3 }), at(20, { deliveries: 4 })];
  expect(columns(samples, 1, ({ deliveries }) => [deliveries])).toEqual([[1, 2, 3, 4, 20], [1, null, 3, null, 4]]);
});

it("joins values that are close to each other", () => {
  const samples = [at(1, { deliveries: 1 }), at(2), at(3, { deliveries: 3 }), ...[4, 5, 6, 7, 8].map((s) => at(s)), at(9, { deliveries: 9 })];
  const [, values] = columns(samples, 1, ({ deliveries }) => [deliveries], 3);
  expect(values).toEqual([1, undefined, 3, null, null, null, null, null, 9]);
});

it("stacks columns", () => {
  expect(stack([[1, 2, 3], [1, null, 3], [10, null, null]])).toEqual([[1, 2, 3], [1, null, 3], [11, null, 3]]);
});

it("bounds the number of series, and counts the others together", () => {
  const names = new Names(3);
  names.add({ a: 1, unused: 0 });
  names.add({ b: 1, c: 1 });
  names.add(Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`made up ${i}`, 1])));
  expect(names.all).toEqual(["a", "b", "other"]);
  expect(names.values({ a: 1, c: 2, d: 3 })).toEqual([1, 0, 5]);
  expect(names.values({ other: 4 })).toEqual([0, 0, 4]);
  expect(names.values(undefined)).toEqual([undefined, undefined, undefined]);
});

it("takes no name from the prototype", () => {
  const names = new Names(6);
  names.add(JSON.parse('{"__proto__": 1, "constructor": 2}'));
  expect(names.values({})).toEqual([0, 0]);
});

it("remembers nodes that are gone", () => {
  const [a, b] = [{ name: "a", sequence: 1 }, { name: "b", sequence: 2 }];
  const samples = [at(1, { nodes: [a, b] }), at(2, { nodes: [a, { ...b, sequence: 3 }] }), at(3, { nodes: [a] })];
  expect(nodes(samples)).toEqual([a, { ...b, sequence: 3, gone: 2000 }]);
  expect(nodes([...samples, at(4)])).toEqual([]); // not in a cluster
  expect(nodes([])).toEqual([]);
});

it("averages rates over the samples that have them, and finds the newest value", () => {
  const samples = [at(1, { deliveries: 100 }), at(8, { deliveries: 4 }), at(9), at(10, { deliveries: 6 }), at(11)];
  expect(mean(samples, 5, ({ deliveries }) => deliveries)).toBe(5);
  expect(newest(samples, 5, ({ deliveries }) => deliveries)).toBe(6);
  expect(mean([], 5, ({ deliveries }) => deliveries)).toBeUndefined();
});
