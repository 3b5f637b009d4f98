import { now } from "./browser.js";
import { closing, lost, refusal, resting } from "./closing.js";
import { openLink, type Link } from "./link.js";
import { Pause } from "./pause.js";
import type { NoToken, Service } from "./service.js";
import { openSocket } from "./socket.js";
import { openStream } from "./stream.js";
import type { Close, Frame, Status } from "./types.js";

/** Milliseconds after which a connection was no failure. */
export const STEADY = 5_000;

const PROBED_WITHIN = 10_000; // ms
const SOCKETS_AGAIN = 600_000; // ms for which an event stream stands in

/** Who hears a connection, and knows where it is to resume. */
export interface Listener {
  cursor(): string | undefined;
  hear(frame: Frame): void;
  tell(status: Status): void;
}

/** Stays connected until it is closed, by the rules of the contract. */
export interface Connection {
  readonly status: Status;
  /** The service said how long to wait. */
  readonly patient: boolean;
  /** Attempts that failed in a row. */
  readonly failures: number;
  /** Somebody looks at the page, or the network has changed. */
  wake(networkLost?: boolean): void;
  /** Comes back after an end for good. */
  open(): void;
  /** Ends for good, without a word. */
  close(): void;
}

/** Connects, after so many failures in a row, and after a rest if there is one. */
export function connectTo(service: Service, listener: Listener, failures = 0, first?: Status): Connection {
  const pause = new Pause();
  let status: Status;
  let patient = false;
  let link: Link | undefined;
  let blocked = 0; // times that only a socket did not get through
  let socketsAt = 0; // when to try one again
  let closed = false;

  async function run(): Promise<void> {
    if (first) await rest(first);
    while (!closed) {
      tell({ state: "connecting" });
      const close = await attempt();
      if (closed) return;
      listener.hear({ event: "close", data: close });
      const steady = now() - (link?.welcomed ?? Infinity) > STEADY;
      if (steady || !close.reconnect) failures = 0;
      link = undefined;
      patient = close.after > 0;
      await rest(resting(close, failures++, service.error));
    }
  }

  /** Connects, and returns why the connection ended or did not begin. */
  async function attempt(): Promise<Close> {
    let token: string;
    try {
      token = await service.token();
    } catch (error) {
      return (error as NoToken).close;
    }
    if (closed) return closing(1000);
    const instead = now() < socketsAt;
    const mine = (link = openLink(instead ? openStream : openSocket, { service, token, cursor: listener.cursor() }, (frame) => hear(frame, instead)));
    if (instead) mine.after(socketsAt - now(), () => mine.end(closing(1000, "socket")));
    let close = await mine.ended;
    if (closed) return close;
    const welcomed = mine.welcomed !== undefined;
    if (!welcomed) {
      if (!instead) close = await probe(token, close);
      else socketsAt = 0; // neither gets through
    }
    const refused = [401, 4401, 4403].includes(close.code);
    if (refused || !welcomed) service.drop(mine.token, refused);
    return close;
  }

  function hear(frame: Frame, instead: boolean): void {
    if (frame.event === "welcome") {
      if (!instead) blocked = 0;
      tell({ state: "open" });
    }
    listener.hear(frame);
  }

  /**
   * A browser does not say why a socket was refused. The same request without
   * the upgrade gets the same checks, and 426 when they all pass: then it is
   * something on the way that lets no socket through, or was a moment's failure.
   */
  async function probe(token: string, close: Close): Promise<Close> {
    try {
      const answer = await service.fetchWith(token, service.at("ws"), { cache: "no-store" }, PROBED_WITHIN);
      if (answer.status !== 426) return refusal(answer);
      if (++blocked > 1) socketsAt = now() + SOCKETS_AGAIN;
    } catch {
      // The network, then.
    }
    return close;
  }

  // The listener may end the rest at once, so it begins first.
  async function rest(status: Status): Promise<void> {
    const over = pause.wait(status.wait);
    tell(status);
    await over;
  }

  function tell(next: Status): void {
    status = next;
    listener.tell(next);
  }

  run();

  return {
    get status() {
      return status;
    },
    get patient() {
      return patient;
    },
    get failures() {
      return failures;
    },
    wake(networkLost) {
      if (networkLost) link?.end(lost("offline"));
      else if (status.wait === undefined) link?.check();
      else if (!patient) pause.end();
    },
    open() {
      if (status.state === "closed") pause.end();
    },
    close() {
      closed = true;
      pause.end();
      link?.end(closing(1000));
    },
  };
}
