// The samples of the last ten minutes.

import type { Node, Sample } from "./types.js";

/** The length of the charts, in seconds, and so the most samples that are kept. */
export const WINDOW = 600;

/** Two samples that are further apart, in milliseconds, have a gap between them. */
const GAP = 3_500;

export class Ring {
  #samples: Sample[] = []; // oldest first

  get samples(): readonly Sample[] {
    return this.#samples;
  }

  get last(): Sample | undefined {
    return this.#samples.at(-1);
  }

  /** Adds a sample, and drops those that are too old. One that is not newer than the last is ignored. */
  push(sample: Sample): void {
    const last = this.last;
    if (!valid(sample) || (last && sample.time <= last.time)) return;
    this.#samples.push(sample);
    const start = sample.time - WINDOW * 1000;
    const drop = this.#samples.findIndex(({ time }) => time > start);
    this.#samples.splice(0, Math.max(drop, this.#samples.length - WINDOW));
  }

  /** Replaces what is known by the service's history. Samples from before it, of an earlier process, stay. */
  replace(history: Sample[]): void {
    const samples = history.filter(valid).sort((a, b) => a.time - b.time);
    const first = samples[0]?.time ?? Infinity;
    const all = [...this.#samples.filter(({ time }) => time < first), ...samples];
    this.#samples = [];
    for (const sample of all) this.push(sample);
  }
}

const valid = (sample: Sample) => Number.isFinite(sample?.time);

/** The columns of a chart: times in seconds, and the values of each series. null is a gap, and undefined is none. */
export type Columns = [number[], ...Column[]];
type Column = (number | null | undefined)[];

/**
 * Returns the columns of values that read returns for each sample. Values that are at most bridge seconds apart are
 * joined; between others, and where no sample was received, is a gap.
 */
export function columns(samples: readonly Sample[], series: number, read: (sample: Sample) => (number | undefined)[], bridge = 0): Columns {
  const times: number[] = [];
  const all: Column[] = Array.from({ length: series }, () => []);
  let before: number | undefined;
  for (const sample of samples) {
    if (before !== undefined && sample.time - before > GAP) {
      times.push(before / 1000 + 1);
      for (const column of all) column.push(null);
    }
    before = sample.time;
    times.push(sample.time / 1000);
    const values = read(sample);
    all.forEach((column, i) => column.push(values[i] ?? null));
  }
  if (bridge > 0) for (const column of all) join(times, column, bridge);
  return [times, ...all];
}

/** Turns gaps between values that are close to each other into no gaps. */
function join(times: number[], values: Column, bridge: number): void {
  let last = -1;
  for (let i = 0; i < values.length; i++) {
    if (values[i] == null) continue;
    if (last >= 0 && last < i - 1 && times[i]! - times[last]! <= bridge) values.fill(undefined, last + 1, i);
    last = i;
  }
}

/** Adds each column to those after it, so that they can be drawn on top of each other. */
export function stack([times, ...values]: Columns): Columns {
  const sums: Column[] = [];
  values.forEach((column, i) => {
    const below = sums[i - 1];
    sums.push(below ? column.map((v, j) => (v == null && below[j] == null ? v : (v ?? 0) + (below[j] ?? 0))) : column);
  });
  return [times, ...sums];
}

/** Returns the nodes of the last sample, and then those that only earlier ones have, with the time of the last that does. */
export function nodes(samples: readonly Sample[]): Node[] {
  const all = new Map<string, Node>();
  for (const node of samples.at(-1)?.nodes ?? []) all.set(node.name, node);
  if (all.size === 0) return [];
  for (const sample of samples.toReversed()) {
    for (const node of sample.nodes ?? []) if (!all.has(node.name)) all.set(node.name, { ...node, gone: sample.time });
  }
  return [...all.values()];
}

/** Returns the mean of values over the last seconds, of those samples that have one. */
export function mean(samples: readonly Sample[], seconds: number, read: (sample: Sample) => number | undefined): number | undefined {
  const values = recent(samples, seconds).map(read).filter((value) => value !== undefined);
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : undefined;
}

/** Returns the newest value of the last seconds. */
export function newest<T>(samples: readonly Sample[], seconds: number, read: (sample: Sample) => T | undefined): T | undefined {
  return recent(samples, seconds).map(read).findLast((value) => value !== undefined);
}

function recent(samples: readonly Sample[], seconds: number): readonly Sample[] {
  const last = samples.at(-1)?.time ?? 0;
  return samples.slice(-seconds).filter(({ time }) => time > last - seconds * 1000);
}

/** Returns the sum of counts. */
export function total(counts: Record<string, number> | undefined): number | undefined {
  return counts && Object.values(counts).reduce((sum, n) => sum + n, 0);
}

/** Names of series whose set is not known before. There are at most a few, and the others count together. */
export class Names {
  static readonly OTHER = "other";
  #names: string[];

  constructor(
    readonly most: number,
    first: string[] = [],
  ) {
    this.#names = [...first];
  }

  get all(): readonly string[] {
    return this.#names;
  }

  /** Adds the names in counts. Reports whether there are new ones. */
  add(counts: Record<string, number> | undefined): boolean {
    const before = this.#names.length;
    for (const [name, n] of Object.entries(counts ?? {})) {
      if (n === 0 || this.#names.includes(name) || this.#names.includes(Names.OTHER)) continue;
      this.#names.push(this.#names.length < this.most - 1 ? name : Names.OTHER);
    }
    return this.#names.length > before;
  }

  /** Returns the value of each name. Names that have none are 0, because they were not counted in that second. */
  values(counts: Record<string, number> | undefined): (number | undefined)[] {
    if (!counts) return this.#names.map(() => undefined);
    const named = this.#names.map((name) => (name === Names.OTHER ? 0 : Object.hasOwn(counts, name) ? counts[name]! : 0));
    const other = this.#names.indexOf(Names.OTHER);
    if (other >= 0) named[other] = Object.entries(counts).reduce((sum, [name, n]) => (this.#names.includes(name) && name !== Names.OTHER ? sum : sum + n), 0);
    return named;
  }
}
