import { now } from "./browser.js";
import { toClose, connectionLost, refused, statusAfter } from "./close.js";
import { openLink, type Link } from "./link.js";
import { Pause } from "./pause.js";
import type { NoToken, Service } from "./service.js";
import { openSocket } from "./socket.js";
import { openStream } from "./stream.js";
import type { Close, Frame, Status } from "./types.js";

/** Milliseconds after which a connection counts as stable, so that its end is not a failed attempt. */
export const STABLE_AFTER = 5_000;

const PROBE_TIMEOUT = 10_000; // ms
const SOCKET_RETRY = 600_000; // ms to use event streams before trying a WebSocket again

/** Receives the frames and status of a connection, and provides the cursor to resume from. */
export interface Listener {
  cursor(): string | undefined;
  onFrame(frame: Frame): void;
  onStatus(status: Status): void;
}

/** A connection that reconnects until it is closed, by the rules in asyncapi.yaml. */
export interface Connection {
  readonly status: Status;
  /** The service set the current wait, so wake() does not shorten it. */
  readonly fixedWait: boolean;
  /** The number of consecutive failed attempts. */
  readonly failures: number;
  /** Must be called when the page becomes visible or the network changes: checks the connection, or ends a wait. */
  wake(networkLost?: boolean): void;
  /** Connects again when the status is `closed`. */
  open(): void;
  /** Closes permanently, without a further status. */
  close(): void;
}

/** Connects. The initial values are the number of earlier failures, and a status whose wait comes first. */
export function connectTo(service: Service, listener: Listener, failures = 0, initial?: Status): Connection {
  const pause = new Pause();
  let status: Status;
  let fixedWait = false;
  let link: Link | undefined;
  let socketFailures = 0; // consecutive times that a WebSocket failed where plain HTTP worked
  let retrySocketAt = 0; // until then, event streams are used
  let closed = false;

  async function run(): Promise<void> {
    if (initial) await waitWith(initial);
    while (!closed) {
      setStatus({ state: "connecting" });
      const close = await attempt();
      if (closed) return;
      listener.onFrame({ event: "close", data: close });
      const stable = now() - (link?.welcomed ?? Infinity) > STABLE_AFTER;
      if (stable || !close.reconnect) failures = 0;
      link = undefined;
      fixedWait = close.after > 0;
      await waitWith(statusAfter(close, failures++, service.error));
    }
  }

  /** Opens one connection; returns the reason for its end or its failure to open. */
  async function attempt(): Promise<Close> {
    let token: string;
    try {
      token = await service.token();
    } catch (error) {
      return (error as NoToken).close;
    }
    if (closed) return toClose(1000);
    const useStream = now() < retrySocketAt;
    const opened = (link = openLink(useStream ? openStream : openSocket, { service, token, cursor: listener.cursor() }, (frame) => receive(frame, useStream)));
    if (useStream) opened.after(retrySocketAt - now(), () => opened.end(toClose(1000, "socket")));
    let close = await opened.ended;
    if (closed) return close;
    const welcomed = opened.welcomed !== undefined;
    if (!welcomed) {
      if (!useStream) close = await probe(token, close);
      else retrySocketAt = 0; // the event stream failed as well
    }
    const refused = [401, 4401, 4403].includes(close.code);
    if (refused || !welcomed) service.drop(opened.token, refused);
    return close;
  }

  function receive(frame: Frame, isStream: boolean): void {
    if (frame.event === "welcome") {
      if (!isStream) socketFailures = 0;
      setStatus({ state: "open" });
    }
    listener.onFrame(frame);
  }

  /**
   * Returns the reason for which the service refused a WebSocket, which the browser
   * hides. The service checks the same request without an upgrade in the same way,
   * and answers 426 if all checks pass. Then a proxy blocks WebSockets, or the
   * failure was temporary.
   */
  async function probe(token: string, close: Close): Promise<Close> {
    try {
      const answer = await service.fetchWith(token, service.url("ws"), { cache: "no-store" }, PROBE_TIMEOUT);
      if (answer.status !== 426) return refused(answer);
      if (++socketFailures > 1) retrySocketAt = now() + SOCKET_RETRY;
    } catch {
      // The network failed, so close is correct.
    }
    return close;
  }

  // The wait begins before the listener is called, since the listener may end it.
  async function waitWith(status: Status): Promise<void> {
    const waited = pause.wait(status.wait);
    setStatus(status);
    await waited;
  }

  function setStatus(next: Status): void {
    status = next;
    listener.onStatus(next);
  }

  run();

  return {
    get status() {
      return status;
    },
    get fixedWait() {
      return fixedWait;
    },
    get failures() {
      return failures;
    },
    wake(networkLost) {
      if (networkLost) link?.end(connectionLost("offline"));
      else if (status.wait === undefined) link?.check();
      else if (!fixedWait) pause.end();
    },
    open() {
      if (status.state === "closed") pause.end();
    },
    close() {
      closed = true;
      pause.end();
      link?.end(toClose(1000));
    },
  };
}
