import { acquireLock, ifAvailable } from "./browser.js";
import type { Service } from "./service.js";
import type { Preferences } from "./types.js";

/**
 * Reads the user's preferences, and stores what change returns for them if that differs. The
 * tabs of a browser do this one after another, so that each keeps the changes of the others.
 * If the service refuses, the error has its status and explanation.
 */
export async function updatePreferences(service: Service, change: (preferences: Preferences) => Preferences): Promise<Preferences> {
  const request = async (init: RequestInit, user?: string) => {
    const { ok, status, data } = await service.fetch(service.url("preferences"), init, user);
    if (!ok) throw Object.assign(new Error(ifAvailable(() => explanation(JSON.parse(data))) ?? `preferences: ${status}`), { status });
    return data;
  };
  const release = await acquireLock(`bellhop/1 ${service.base} preferences`, service.signal);
  try {
    const before: Preferences = JSON.parse(await request({ cache: "no-store" }));
    const body = JSON.stringify(change(before));
    if (body !== JSON.stringify(before)) await request({ method: "PUT", body, headers: { "Content-Type": "application/json" } }, service.user);
    return JSON.parse(body);
  } finally {
    release();
  }
}

/** Returns what problem details explain: the faults of the body, such as `rules must have at most 100 items`, or the problem. */
const explanation = ({ errors, detail }: { errors?: { pointer: string; detail: string }[]; detail: string }) =>
  errors?.map(({ pointer, detail }) => `${pointer.slice(1)} ${detail}`).join("; ") ?? detail;
