// The charts: their titles, series and units.

import { bytes, count, ms } from "./format.js";
import { Names, total } from "./ring.js";
import type { Counts, Sample } from "./types.js";

export type Series = { name: string; color: string };

export type Panel = {
  title: string;
  about: string; // one sentence for people who wonder
  unit: (n: number) => string;
  stacked?: boolean;
  bars?: boolean;
  binary?: boolean; // the axis is divided at powers of two
  log?: boolean; // the axis is logarithmic, so that one slow second does not hide the others
  least: number; // the smallest upper end of the axis
  optional?: boolean; // the chart is hidden while it has no values
  bridge?: number; // values that are at most so many seconds apart are joined
  series: (samples: readonly Sample[]) => Series[];
  read: (sample: Sample) => (number | undefined)[];
};

const fixed = (...series: [string, string][]) => () => series.map(([name, color]) => ({ name, color }));
const rate = count;

/** Returns the part of a panel whose series are the names in counts. */
function counts(read: (sample: Sample) => Counts | undefined, first: string[] = [], known: Record<string, string> = {}) {
  const names = new Names(6, first);
  const seen = new WeakSet<Sample>();
  const colors = ["a", "d", "b", "e", "f", "c"];
  return {
    series(samples: readonly Sample[]): Series[] {
      for (let i = samples.length - 1; i >= 0 && !seen.has(samples[i]!); i--) {
        seen.add(samples[i]!);
        names.add(read(samples[i]!));
      }
      return names.all.map((name, i) => ({ name, color: known[name] ?? (name === Names.OTHER ? "grey" : colors[i % colors.length]!) }));
    },
    read: (sample: Sample) => names.values(read(sample)),
  };
}

const latency = fixed(["p50", "a"], ["p95", "b"], ["p99", "c"]);

/** The charts, in the order in which an operator reads them. */
export function panels(): Panel[] {
  return [
    {
      title: "Connections", about: "Open connections, by transport.", unit: count, stacked: true, least: 4,
      ...counts(({ connections }) => connections, ["websocket", "events"]),
    },
    {
      title: "Connections per second", about: "Connections opened and closed.", unit: rate, least: 4,
      series: fixed(["opened", "a"], ["closed", "c"]), read: ({ opened, closes }) => [opened, total(closes)],
    },
    {
      title: "Publishes per second", about: "Notifications published, by outcome.", unit: rate, stacked: true, least: 4,
      ...counts(({ publishes }) => publishes, ["stored"], { stored: "a", ephemeral: "d", deferred: "b", duplicate: "f", refused: "c" }),
    },
    {
      title: "Deliveries per second", about: "Events written to connections.", unit: rate, stacked: true, least: 4,
      series: fixed(["delivered", "d"]), read: ({ deliveries }) => [deliveries],
    },
    {
      title: "Publish to answer", about: "Time from a publish until it was stored durably.", unit: ms, log: true, least: 1, bridge: 10,
      series: latency, read: ({ publish_ms: p }) => [p?.p50, p?.p95, p?.p99],
    },
    {
      title: "Publish to delivery", about: "Time from the entry in the journal until it was written to a connection.", unit: ms, log: true, least: 1, bridge: 10,
      series: latency, read: ({ delivery_ms: p }) => [p?.p50, p?.p95, p?.p99],
    },
    {
      title: "Commit and fsync", about: "Time to apply and sync a group of entries, and to sync it alone.", unit: ms, log: true, least: 1, bridge: 10,
      series: fixed(["commit p50", "a"], ["commit p99", "c"], ["fsync p50", "d"], ["fsync p99", "e"]),
      read: ({ commit, sync_ms }) => [commit?.p50_ms, commit?.p99_ms, sync_ms?.p50, sync_ms?.p99],
    },
    {
      title: "Closes per second", about: "Connections closed, by code and reason.", unit: rate, stacked: true, bars: true, least: 4,
      ...counts(({ closes }) => closes),
    },
    {
      title: "Refusals per second", about: "Requests and commands refused or failed, by reason.", unit: rate, stacked: true, bars: true, least: 4,
      ...counts(({ refusals }) => refusals),
    },
    {
      title: "Send queues", about: "Size of what is queued for all connections.", unit: bytes, binary: true, least: 1024,
      series: fixed(["queued", "a"]), read: ({ queued_bytes }) => [queued_bytes],
    },
    {
      title: "Store", about: "Size of the store by content, before compression.", unit: bytes, stacked: true, binary: true, least: 1024,
      series: (samples) => [{ name: "notifications", color: "a" }, { name: "removed", color: "b" }, { name: "other", color: "d" }, ...limit(samples)],
      read: ({ store }) => [store?.notification_bytes, store?.removal_bytes, store?.other_bytes, store?.limit_bytes || undefined],
    },
    {
      title: "Disk", about: "Free space on the disk of the store, and the reserve below which publishing is refused.", unit: bytes, binary: true, least: 1024,
      series: fixed(["free", "a"], ["reserve", "c"]), read: ({ disk }) => [disk?.free_bytes, disk?.reserve_bytes],
    },
    {
      title: "Memory", about: "Memory of the process: resident, and the heap in use.", unit: bytes, binary: true, least: 1024,
      series: fixed(["resident", "a"], ["heap", "d"]), read: ({ process: p }) => [p?.rss_bytes, p?.heap_bytes],
    },
    {
      title: "Lag", about: "Time by which this node, and the last of the others, are behind the journal.", unit: (n) => ms(n * 1000), least: 1, optional: true,
      series: fixed(["this node", "a"], ["last of the others", "c"]), read: ({ lag_seconds, nodes }) => [lag_seconds, highest(nodes)],
    },
    {
      title: "Goroutines and files", about: "Goroutines and open files of the process.", unit: count, least: 10,
      series: fixed(["goroutines", "a"], ["open files", "b"]), read: ({ process: p }) => [p?.goroutines, p?.open_files],
    },
    {
      title: "Processor", about: "Time on a processor: 100 % is one core.", unit: (n) => `${Math.round(n)} %`, least: 10,
      series: fixed(["used", "a"]), read: ({ process: p }) => [p?.cpu_percent],
    },
    {
      title: "Groups per second", about: "Groups of entries that were committed together, and the entries in them.", unit: rate, least: 4,
      series: fixed(["groups", "a"], ["entries", "d"]), read: ({ commit }) => [commit?.groups, commit?.entries],
    },
  ];
}

/** Returns the lag of the node that is the furthest behind, without this one. */
function highest(nodes: Sample["nodes"]): number | undefined {
  const lags = (nodes ?? []).flatMap((node) => (node.this || node.lag_seconds === undefined ? [] : [node.lag_seconds]));
  return lags.length ? Math.max(...lags) : undefined;
}

/** The name of the series that is a line across a stack and not a part of it. */
export const LIMIT = "limit";

const limit = (samples: readonly Sample[]): Series[] => (samples.at(-1)?.store?.limit_bytes ? [{ name: LIMIT, color: "c" }] : []);
