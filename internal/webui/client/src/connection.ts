import { away, closing, lost, refusal } from "./closing.js";
import { Link } from "./link.js";
import { online, Pause } from "./pause.js";
import { openSocket } from "./socket.js";
import { openStream } from "./stream.js";
import { at, bearer, NoToken, type Tokens } from "./tokens.js";
import type { Close, Frame, Status } from "./types.js";

const STEADY = 5_000; // ms after which a connection was no failure
const SOCKETS_AGAIN = 600_000; // ms for which an event stream stands in

/** Who hears a connection, and knows where it is to resume. */
export interface Listener {
  cursor(): string | undefined;
  hear(frame: Frame): void;
  tell(status: Status): void;
}

/** Stays connected until it is closed, by the rules of the contract. */
export class Connection {
  status: Status = { state: "connecting" };

  #base: URL;
  #tokens: Tokens;
  #listener: Listener;
  #link: Link | undefined;
  #pause = new Pause();
  #patient = false; // the service said how long to wait
  #blocked = 0; // times that only a socket did not get through
  #socketsAt = 0; // when to try one again
  #closed = false;

  constructor(base: URL, tokens: Tokens, listener: Listener) {
    this.#base = base;
    this.#tokens = tokens;
    this.#listener = listener;
    this.#run();
  }

  /** Something has changed: the network, or somebody looks at the page. */
  wake(): void {
    const { state } = this.status;
    if (!online()) this.#link?.end(lost("offline"));
    if (state === "offline" ? online() : state === "waiting" && !this.#patient) this.#pause.end();
    else this.#link?.check();
  }

  /** Comes back after an end for good. */
  open(): void {
    if (this.status.state === "closed") this.#pause.end();
  }

  /** Ends for good, without a word. */
  close(): void {
    this.#closed = true;
    this.#pause.end();
    this.#link?.end(closing(1000));
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#closed) {
      if (!online()) {
        await this.#rest({ state: "offline" });
        continue;
      }
      this.#tell({ state: "connecting" });
      const close = await this.#attempt();
      if (this.#closed) return;
      this.#listener.hear({ event: "close", data: close });
      if ([401, 4401, 4403].includes(close.code)) this.#tokens.refused();
      if (this.#link?.welcomed && Date.now() - this.#link.welcomed > STEADY) failures = 0;
      this.#link = undefined;
      if (!close.reconnect) failures = 0;
      if (online() || !close.reconnect) await this.#stayAway(close, failures++);
    }
  }

  async #stayAway(close: Close, failures: number): Promise<void> {
    const { code, reason, reconnect, after } = close;
    this.#patient = after > 0;
    await this.#rest(reconnect ? { state: "waiting", wait: away(close, failures), code, reason } : { state: "closed", code, reason });
  }

  /** Connects, and returns why the connection ended or did not begin. */
  async #attempt(): Promise<Close> {
    let token;
    try {
      token = await this.#tokens.get();
    } catch (error) {
      return error instanceof NoToken ? error.close : lost(String(error));
    }
    if (this.#closed) return closing(1000);
    const instead = Date.now() < this.#socketsAt;
    const route = { base: this.#base, token, cursor: this.#listener.cursor() };
    const link = new Link(instead ? openStream : openSocket, route, this.#tokens, (frame) => this.#hear(frame, instead));
    this.#link = link;
    const again = instead && setTimeout(() => link.end(closing(1000, "to try a socket")), this.#socketsAt - Date.now());
    const close = await link.ended;
    if (again) clearTimeout(again);
    if (link.welcomed || this.#closed || !online()) return close;
    if (!instead) return this.#probe(token, close);
    this.#socketsAt = 0; // neither gets through
    return close;
  }

  #hear(frame: Frame, instead: boolean): void {
    if (frame.event === "welcome") {
      if (!instead) this.#blocked = 0;
      this.#tell({ state: "open" });
    }
    this.#listener.hear(frame);
  }

  /**
   * A browser does not say why a socket was refused. The same request without
   * the upgrade gets the same checks, and 426 when they all pass: then it is
   * something on the way that lets no socket through, or was a moment's failure.
   */
  async #probe(token: string, close: Close): Promise<Close> {
    try {
      const answer = await fetch(at(this.#base, "ws"), { headers: bearer(token), cache: "no-store" });
      if (answer.status !== 426) return refusal(answer);
      if (++this.#blocked > 1) this.#socketsAt = Date.now() + SOCKETS_AGAIN;
    } catch {
      // The network, then.
    }
    return close;
  }

  // Whoever is told may end the rest at once.
  async #rest(status: Status): Promise<void> {
    const over = this.#pause.wait(status.wait);
    this.#tell(status);
    await over;
  }

  #tell(status: Status): void {
    this.status = status;
    this.#listener.tell(status);
  }
}
