import { now, setTimer } from "./browser.js";
import { backoff, lost } from "./closing.js";
import type { NoToken, Service } from "./service.js";
import type { Course, Transport } from "./socket.js";
import type { Close, Frame } from "./types.js";

const OPENS_WITHIN = 15_000; // ms, to the welcome
const ANSWERS_WITHIN = 10_000;

/** One connection, from its handshake to its end. */
export interface Link {
  /** Why it ended; what the service said, if it did. */
  readonly ended: Promise<Close>;
  /** Ends it. The first reason wins. */
  end(close: Close): void;
  /** Calls what after ms, unless the connection has ended by then. */
  after(ms: number, what: () => unknown): void;
  /**
   * Makes sure, after a long silence, that the service is still there. A browser
   * hides the service's pings, and may notice a dead socket only after minutes.
   */
  check(): void;
  /** When it was welcomed, if it was. */
  welcomed?: number;
  /** The token that it was given last. */
  token: string;
}

/** Opens a connection, which hears frames until it ends. */
export function openLink(
  open: (course: Course) => Transport,
  route: { service: Service; token: string; cursor: string | undefined },
  hear: (frame: Frame) => void,
): Link {
  const { service } = route;
  const timers = new Set<ReturnType<typeof setTimeout>>(); // they end with it
  let transport: Transport | undefined;
  let over = false;
  let heard = now();
  let quiet = Infinity; // ms of silence that are suspicious
  let asked = false; // for a sign of life
  let failures = 0; // to renew the token, in a row
  let resolve: (close: Close) => void;

  const link: Link = { ended: new Promise((ends) => (resolve = ends)), token: route.token, end, after, check };

  function end(close: Close): void {
    over = true;
    timers.forEach(clearTimeout);
    transport?.close();
    resolve(close);
  }

  function after(ms: number, what: () => unknown): void {
    if (over) return;
    const fire = () => {
      timers.delete(timer);
      what();
    };
    const timer = setTimer(fire, ms);
    timers.add(timer);
  }

  function check(): void {
    const before = heard;
    if (asked || now() - heard < quiet) return;
    asked = true;
    transport?.send?.({ event: "ping" }); // on a stream, a comment is due anyway
    after(ANSWERS_WITHIN, () => {
      asked = false;
      if (before === heard) end(lost("silent"));
    });
  }

  /** Checks whenever it has been silent for too long. */
  function watch(): void {
    after(asked ? ANSWERS_WITHIN : quiet + heard - now(), () => {
      check();
      watch();
    });
  }

  function receive(frame: Frame): void {
    if (over) return;
    heard = now();
    const { event, ref, data } = frame;
    if (event === "close") return end({ after: 0, ...data });
    if (event === "welcome") {
      link.welcomed = now();
      quiet = 2000 * data.ping;
      watch();
    }
    // Only a refresh has a ref, which its reply repeats.
    if (ref && event === "error") renewLater(); // the old token still holds
    else if (ref || event === "welcome") renewIn(data.expires_in);
    if (!ref) hear(frame);
  }

  // At a random time before the token ends, lest all ask at once.
  function renewIn(seconds?: number): void {
    failures = 0;
    service.lasts(link.token, seconds);
    if (seconds && transport?.send) after(seconds * 1000 * (0.75 + 0.15 * Math.random()), renew);
  }

  // If it goes on failing, the old token ends the connection in its time.
  function renewLater(): void {
    after(backoff(++failures), renew);
  }

  async function renew(): Promise<void> {
    try {
      link.token = await service.renew();
      if (!over) transport!.send!({ event: "refresh", ref: "refresh", data: { token: link.token } });
    } catch (error) {
      const { close } = error as NoToken;
      if (close.reconnect) renewLater();
      else end(close);
    }
  }

  after(OPENS_WITHIN, () => link.welcomed ?? end(lost("no welcome")));
  try {
    transport = open({ ...route, frame: receive, heard: () => (heard = now()), end });
  } catch (error) {
    end(lost(String(error))); // such as an address that is none
  }
  return link;
}
