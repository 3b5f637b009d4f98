// Keeps the event stream open.

import { problemOf, type Problem, type Token } from "./api.js";
import { parser } from "./events.js";
import type { Hello, Line, Sample } from "./types.js";

export type State =
  | { phase: "connecting" }
  | { phase: "live" }
  | { phase: "lost"; why: string; since: number; retryAt: number }
  | { phase: "refused"; problem: Problem }; // needs another token

export type Handlers = {
  state(state: State): void;
  hello(hello: Hello): void;
  history(samples: Sample[]): void;
  sample(sample: Sample): void;
  audit(line: Line): void;
};

/** The pauses before the next attempts, in milliseconds. The last one repeats. */
const PAUSES = [1_000, 2_000, 4_000, 8_000, 15_000];

/** The answers for which another token is needed. 431: the token is longer than a header may be. */
const REFUSED = [401, 403, 431];

/** The service sends a sample each second. A stream that is silent for longer than this is lost. */
const SILENCE = 10_000;

export class Stream {
  #stop = new AbortController();
  #wake = () => {};
  #lostSince = 0;

  constructor(
    readonly token: Token,
    readonly handlers: Handlers,
  ) {}

  /** Opens the stream, in place of one that is open or waits. */
  open(): void {
    this.#stop.abort();
    this.#stop = new AbortController();
    void this.#keep(this.#stop.signal);
  }

  close(): void {
    this.#stop.abort();
  }

  /** Ends a pause. */
  retry(): void {
    this.#wake();
  }

  async #keep(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      if (!this.#lostSince) this.handlers.state({ phase: "connecting" });
      let why: string;
      let received = false;
      try {
        const problem = await this.#follow(signal, () => (received = true));
        if (problem && REFUSED.includes(problem.status)) return this.handlers.state({ phase: "refused", problem });
        why = problem ? `${problem.status} ${problem.detail || problem.title}` : "the stream has ended";
      } catch (error) {
        why = error instanceof Silent ? "nothing was received for 10 seconds" : "the service does not answer";
      }
      if (signal.aborted) return;
      failures = received ? 1 : failures + 1;
      this.#lostSince ||= Date.now();
      const pause = PAUSES[Math.min(failures, PAUSES.length) - 1]! * (0.8 + 0.4 * Math.random());
      this.handlers.state({ phase: "lost", why, since: this.#lostSince, retryAt: Date.now() + pause });
      await this.#pause(pause, signal);
    }
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done);
      this.#wake = done;
    });
  }

  /** Reads a stream until its end. Returns the problem with which it was refused, if it was. */
  async #follow(signal: AbortSignal, onData: () => void): Promise<Problem | undefined> {
    const own = new AbortController();
    const end = () => own.abort();
    signal.addEventListener("abort", end);
    let timer = setTimeout(end, SILENCE);
    try {
      const answer = await fetch("console/events", { headers: { ...this.token.headers(), "Bellhop-Console": "1" }, cache: "no-store", signal: own.signal });
      if (!answer.ok) return await problemOf(answer);
      const reader = answer.body!.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array<ArrayBuffer>>).getReader();
      const parse = parser(({ event, data }) => this.#dispatch(event, data));
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return undefined;
        clearTimeout(timer);
        timer = setTimeout(end, SILENCE);
        onData();
        if (!signal.aborted) parse(value);
      }
    } catch (error) {
      throw own.signal.aborted && !signal.aborted ? new Silent() : error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      own.abort();
    }
  }

  #dispatch(event: string, data: string): void {
    const value = JSON.parse(data);
    switch (event) {
      case "hello":
        this.#lostSince = 0;
        this.handlers.state({ phase: "live" });
        return this.handlers.hello(value);
      case "history":
        return this.handlers.history(value);
      case "sample":
        return this.handlers.sample(value);
      case "audit":
        return this.handlers.audit(value);
    }
  }
}

class Silent extends Error {}
