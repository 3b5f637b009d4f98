import { now, setLongTimer } from "./browser.js";
import { backoff, connectionLost } from "./close.js";
import type { NoToken, Service } from "./service.js";
import type { TransportOptions, Transport } from "./socket.js";
import type { Close, Frame } from "./types.js";

const WELCOME_TIMEOUT = 15_000; // ms from the start of the handshake to the `welcome` frame
const PING_TIMEOUT = 10_000;

/** A single connection, from its handshake to its end. */
export interface Link {
  /** Resolves with the reason for the end: the service's, if it sent one. */
  readonly ended: Promise<Close>;
  /** Ends the connection. Only the first reason counts. */
  end(close: Close): void;
  /** Calls callback after ms, unless the connection has ended by then. */
  after(ms: number, callback: () => unknown): void;
  /**
   * Sends a ping if the connection has been silent for too long, and ends it if no
   * answer comes. A browser hides the service's pings from the page, and may need
   * minutes to detect a dead socket.
   */
  check(): void;
  /** The time of the `welcome` frame, if it has arrived. */
  welcomed?: number;
  /** The token sent last on this connection. */
  token: string;
}

/** Opens a connection, and calls receive with each frame until it ends. */
export function openLink(
  open: (course: TransportOptions) => Transport,
  target: { service: Service; token: string; cursor: string | undefined },
  receive: (frame: Frame) => void,
): Link {
  const { service } = target;
  const timers = new Set<ReturnType<typeof setTimeout>>(); // cleared when the connection ends
  let transport: Transport | undefined;
  let ended = false;
  let lastActivity = now();
  let maxSilence = Infinity; // ms, after which check() sends a ping
  let probing = false; // a ping was sent and not answered yet
  let failures = 0; // consecutive, to renew the token
  let resolve: (close: Close) => void;

  const link: Link = { ended: new Promise((resolvePromise) => (resolve = resolvePromise)), token: target.token, end, after, check };

  function end(close: Close): void {
    ended = true;
    timers.forEach(clearTimeout);
    transport?.close();
    resolve(close);
  }

  function after(ms: number, callback: () => unknown): void {
    if (ended) return;
    const fire = () => {
      timers.delete(timer);
      callback();
    };
    const timer = setLongTimer(fire, ms);
    timers.add(timer);
  }

  function check(): void {
    const before = lastActivity;
    if (probing || now() - lastActivity < maxSilence) return;
    probing = true;
    transport?.send?.({ event: "ping" }); // on an event stream the service sends comments unasked
    after(PING_TIMEOUT, () => {
      probing = false;
      if (before === lastActivity) end(connectionLost("silent"));
    });
  }

  /** Calls check() each time the connection has been silent for too long. */
  function watchSilence(): void {
    after(probing ? PING_TIMEOUT : maxSilence + lastActivity - now(), () => {
      check();
      watchSilence();
    });
  }

  function onFrame(frame: Frame): void {
    if (ended) return;
    lastActivity = now();
    const { event, ref, data } = frame;
    if (event === "close") return end({ after: 0, ...data });
    if (event === "welcome") {
      link.welcomed = now();
      maxSilence = 2000 * data.ping;
      watchSilence();
    }
    // Only the reply to a `refresh` has a ref.
    if (ref && event === "error") retryRenewal(); // the old token is still valid
    else if (ref || event === "welcome") scheduleRenewal(data.expires_in);
    if (!ref) receive(frame);
  }

  // Renews at a random time before the token expires, so that clients do not all renew at the same time.
  function scheduleRenewal(seconds?: number): void {
    failures = 0;
    service.expires(link.token, seconds);
    if (seconds && transport?.send) after(seconds * 1000 * (0.75 + 0.15 * Math.random()), renew);
  }

  // Retries until the old token expires and the service closes the connection.
  function retryRenewal(): void {
    after(backoff(++failures), renew);
  }

  async function renew(): Promise<void> {
    try {
      link.token = await service.renew();
      if (!ended) transport!.send!({ event: "refresh", ref: "refresh", data: { token: link.token } });
    } catch (error) {
      const { close } = error as NoToken;
      if (close.reconnect) retryRenewal();
      else end(close);
    }
  }

  after(WELCOME_TIMEOUT, () => link.welcomed ?? end(connectionLost("no welcome")));
  try {
    transport = open({ ...target, onFrame, onData: () => (lastActivity = now()), end });
  } catch (error) {
    end(connectionLost(String(error))); // for example an invalid address
  }
  return link;
}
