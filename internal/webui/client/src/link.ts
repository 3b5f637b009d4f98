import { lost } from "./closing.js";
import type { Course, Transport } from "./socket.js";
import type { Tokens } from "./tokens.js";
import type { Close, Frame } from "./types.js";

const OPENS_WITHIN = 15_000; // ms, to the welcome
const ANSWERS_WITHIN = 10_000;
const LONGEST_TIMER = 2 ** 31 - 1; // beyond which browsers fire at once
const RENEWAL = "refresh"; // the ref of its reply

/** One connection, from its handshake to its end. */
export class Link {
  /** Why it ended; what the service said, if it did. */
  readonly ended: Promise<Close>;
  /** Ends it. The first reason wins. */
  end!: (close: Close) => void;
  /** When it was welcomed, or 0. */
  welcomed = 0;

  #transport?: Transport;
  #tokens: Tokens;
  #over = false;
  #timers = new Set<ReturnType<typeof setTimeout>>(); // they end with it
  #heard = Date.now();
  #quiet = Infinity; // ms of silence that are suspicious

  constructor(
    open: (course: Course) => Transport,
    route: Pick<Course, "base" | "token" | "cursor">,
    tokens: Tokens,
    hear: (frame: Frame) => void,
  ) {
    this.#tokens = tokens;
    this.ended = new Promise((resolve) => {
      this.end = (close) => {
        this.#over = true;
        this.#timers.forEach(clearTimeout);
        this.#transport?.close();
        resolve(close);
      };
    });
    this.#after(OPENS_WITHIN, () => this.welcomed || this.end(lost("no welcome")));
    try {
      this.#transport = open({
        ...route,
        frame: (frame) => {
          if (!this.#over) this.#receive(frame, hear);
        },
        heard: () => (this.#heard = Date.now()),
        end: this.end,
      });
    } catch (error) {
      this.end(lost(String(error))); // such as an address that is none
    }
  }

  /**
   * Makes sure, after a long silence, that somebody is there. A browser does
   * not show the service's pings, and may notice a dead socket only after minutes.
   */
  check(): void {
    const heard = this.#heard;
    if (Date.now() - heard < this.#quiet) return;
    this.#send({ event: "ping" });
    this.#after(this.#transport?.send ? ANSWERS_WITHIN : 0, () => heard === this.#heard && this.end(lost("silent")));
  }

  /** Does what after ms, unless the connection has ended by then. */
  #after(ms: number, what: () => unknown): void {
    const fire = () => {
      this.#timers.delete(timer);
      what();
    };
    const timer = setTimeout(fire, Math.min(ms, LONGEST_TIMER));
    this.#timers.add(timer);
  }

  #send(frame: Frame): void {
    this.#transport?.send?.(frame);
  }

  #receive(frame: Frame, hear: (frame: Frame) => void): void {
    this.#heard = Date.now();
    const { event, ref, data } = frame;
    if (event === "close") return this.end({ after: 0, ...data });
    if (event === "welcome") {
      this.welcomed = Date.now();
      this.#quiet = 2000 * data.ping;
      if (!this.#transport?.send) this.#watch();
    }
    if (event === "welcome" || ref === RENEWAL) this.#renewIn(data.expires_in);
    if (!ref) hear(frame);
  }

  // A stream is told something at every ping, so that its silence is its end.
  #watch(): void {
    this.#after(this.#quiet, () => {
      this.check();
      this.#watch();
    });
  }

  // At a random time before the token ends, lest all ask at once.
  #renewIn(seconds?: number): void {
    if (!seconds || !this.#transport?.send) return;
    this.#after(seconds * 1000 * (0.75 + 0.15 * Math.random()), async () => {
      this.#tokens.refused();
      // Without a new one, the old one ends the connection in its time.
      const token = await this.#tokens.get().catch(() => null);
      if (token && !this.#over) this.#send({ event: "refresh", ref: RENEWAL, data: { token } });
    });
  }
}
