// Platform features that differ between browsers, workers and Node, or that may be missing.

/** Returns monotonic milliseconds, which a change of the device's clock does not affect. */
export const now = (): number => performance.now();

/** Calls callback after ms, but at most after 24 days: a timer with a longer delay would fire immediately. */
export const setLongTimer = (callback: () => void, ms: number) => setTimeout(callback, Math.min(ms, 2 ** 31 - 1));

/** Returns the result of use, or undefined if the feature is missing or refused. */
export function ifAvailable<T>(use: () => T): T | undefined {
  try {
    return use();
  } catch {
    return undefined;
  }
}

/** Returns false if the browser reports that it has no network. The report may be wrong. */
export const online = (): boolean => globalThis.navigator?.onLine !== false;

/** Reports whether the page is hidden. A worker is never hidden. */
export const isHidden = (): boolean => globalThis.document?.visibilityState === "hidden";

/** Reports an error of the page's own code without interrupting the client. */
export const reportError = (error: unknown): void => (globalThis.reportError ?? console.error)(error);

export const randomId = (): string => crypto.getRandomValues(new Uint32Array(4)).join("-");

/**
 * Returns the result of work, or throws after ms or when outer is aborted. Then
 * the signal of work is aborted too, but the caller does not wait for work to end.
 */
export async function withTimeout<T>(ms: number, work: (signal: AbortSignal) => Promise<T>, outer?: AbortSignal): Promise<T> {
  outer?.throwIfAborted();
  const controller = new AbortController();
  const { signal } = controller;
  const timer = setTimeout(() => controller.abort(new Error(`no answer within ${ms / 1000} s`)), ms);
  outer?.addEventListener("abort", () => controller.abort(outer.reason), { signal });
  const aborted = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  try {
    return await Promise.race([work(signal), aborted]);
  } finally {
    clearTimeout(timer);
    controller.abort(); // removes the listener from outer
  }
}

/**
 * Acquires the lock of this name among all tabs; returns a function that releases
 * it. The caller goes on without the lock where the browser has no locks, and after
 * ten seconds, since a tab that the browser suspended may hold the lock.
 */
export async function acquireLock(name: string, signal: AbortSignal): Promise<() => void> {
  try {
    const request = (signal: AbortSignal) =>
      new Promise<() => void>((granted, reject) => {
        navigator.locks.request(name, { signal }, () => new Promise<void>(granted)).catch(reject);
      });
    return await withTimeout(10_000, request, signal);
  } catch {
    return () => {};
  }
}
