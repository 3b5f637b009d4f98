/**
 * One user's connection to bellhop. It stays connected, resumes where it
 * stopped, and hands over every notification once and in order. It needs
 * nothing but a browser: copy it and make it yours.
 *
 *     const connection = new Connection({
 *       url: "wss://notify.example.com/ws",
 *       token: async () => (await fetch("/my/token")).text(),
 *       cursor: localStorage.getItem("cursor"),
 *       onNotification: (notification) => show(notification),
 *       onCursor: (cursor) => localStorage.setItem("cursor", cursor),
 *     });
 *     connection.open();
 *
 * What it promises, as the contract asks of a client:
 *
 *   - a cursor is given out only after its frame was handled, so that whatever
 *     was not handled comes again;
 *   - what comes again is dropped by its id;
 *   - it comes back after a random wait that grows with each failure, unless
 *     the service said how long to wait or not to come back at all;
 *   - an expired token is replaced by a new one.
 */

const PROTOCOL = "bellhop.v1";

const FIRST_WAIT = 500; // ms; doubles with each failure in a row
const LONGEST_WAIT = 30_000;
const ANSWER_WITHIN = 5_000; // for check()
const REMEMBERED = 2_000; // ids, for dropping repeats

const LOST = 1006;
const RESTART = 1012;
const TOKEN_EXPIRED = 4401;

// Codes after which coming back by itself would only fail again.
const FINAL = new Set([1002, 1003, 1007, 1008, 1009, 4403, 4409]);

/**
 * @typedef {object} Options
 * @property {string} url             ws: or wss:, without cursor or token
 * @property {(ask: {fresh: boolean}) => string | Promise<string>} token
 *   fresh: the last one was refused or has expired
 * @property {string | null} [cursor] where to resume; "earliest" for all that is kept; none: from now
 * @property {(notification: object, how: {replayed: boolean}) => unknown} onNotification
 *   may be async; if it fails, the notification comes again
 * @property {(cursor: string) => void} [onCursor]  store it, it replaces the one before
 * @property {(data: {reason: string}) => void} [onReset]
 *   the cursor could not be honoured: forget the list, what is still kept follows
 * @property {(state: State) => void} [onState]
 * @property {(direction: "in" | "out", text: string) => void} [onFrame]  for a look at the wire
 *
 * @typedef {object} State
 * @property {"offline" | "connecting" | "catching-up" | "live" | "waiting" | "ended"} phase
 * @property {number} [wait]     ms until the next attempt, when waiting
 * @property {number} [code]     why the last connection ended
 * @property {string} [reason]
 */
export class Connection {
  #options;
  #cursor;
  #seen = new Set();
  #link = null; // the connection of now; what belongs to an older one is ignored
  #timer = 0; // set while waiting to come back
  #failures = 0; // in a row
  #told = false; // the service itself said how long to wait
  #fresh = false; // the next token must be a new one
  #phase = "offline";
  #work = Promise.resolve(); // frames are handled one after the other

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    this.#cursor = options.cursor ?? null;
  }

  get phase() {
    return this.#phase;
  }

  /** Connects, and stays connected until close(). */
  open() {
    if (this.#link || this.#timer) return;
    this.#failures = 0;
    this.#connect();
  }

  /** Ends the connection and stays away until open(). */
  close() {
    this.#leave();
    this.#tell({ phase: "offline" });
  }

  /**
   * Makes sure that the service still hears us. Call it when the device woke
   * up or its network changed: a browser may notice a dead socket only after
   * minutes.
   */
  check() {
    const link = this.#link;
    if (this.#timer && !this.#told) {
      this.#leave();
      this.#connect();
    } else if (link?.socket?.readyState === WebSocket.OPEN && !link.silence) {
      this.#send(link, { event: "ping" });
      link.silence = setTimeout(() => this.#ended(link, { code: LOST, reason: "silent" }), ANSWER_WITHIN);
    }
  }

  async #connect() {
    const link = { token: "", socket: null, welcomed: false, live: false, farewell: null, silence: 0 };
    this.#link = link;
    this.#tell({ phase: "connecting" });
    try {
      link.token = await this.#options.token({ fresh: this.#fresh });
    } catch {
      this.#ended(link, { code: LOST, reason: "no token" });
      return;
    }
    if (link !== this.#link) return;
    this.#fresh = false;

    link.socket = new WebSocket(this.#address(), [PROTOCOL, `bearer.${link.token}`]);
    link.socket.onmessage = ({ data }) => {
      clearTimeout(link.silence);
      link.silence = 0;
      this.#work = this.#work.then(() => this.#receive(link, data)).catch((error) => this.#unhandled(link, error));
    };
    link.socket.onclose = ({ code, reason }) => {
      const handled = this.#work;
      handled.then(() => link.welcomed || this.#probe(link)).then(() => this.#ended(link, { code, reason }));
    };
  }

  #address() {
    const url = new URL(this.#options.url);
    if (this.#cursor) url.searchParams.set("cursor", this.#cursor);
    return url;
  }

  async #receive(link, text) {
    if (link !== this.#link) return; // not handled, so it comes again
    this.#options.onFrame?.("in", text);
    const frame = JSON.parse(text);
    switch (frame.event) {
      case "welcome":
        link.welcomed = true;
        this.#tell({ phase: "catching-up" });
        break;
      case "reset":
        this.#seen.clear();
        await this.#options.onReset?.(frame.data);
        break;
      case "notification":
        await this.#handOver(frame.data, { replayed: !link.live });
        break;
      case "live": // the past is over; on a quiet connection it also renews the cursor
        if (!link.live) {
          link.live = true;
          this.#failures = 0;
          this.#tell({ phase: "live" });
        }
        break;
      case "close":
        link.farewell = frame.data;
        break;
      default: // v1 may grow events: ignore what we do not know
    }
    if (frame.cursor) {
      this.#cursor = frame.cursor;
      this.#options.onCursor?.(frame.cursor);
    }
  }

  async #handOver(notification, how) {
    if (this.#seen.has(notification.id)) return;
    await this.#options.onNotification(notification, how);
    this.#seen.add(notification.id);
    if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.values().next().value);
  }

  // The page failed to handle a frame. Its cursor was not stored: come back for it.
  #unhandled(link, error) {
    reportError(error);
    this.#ended(link, { code: LOST, reason: "not handled" });
  }

  /**
   * A browser does not say why an upgrade was refused. The same request without
   * the upgrade gets the same checks, and 426 when they all pass.
   */
  async #probe(link) {
    if (link !== this.#link) return;
    const url = new URL(this.#options.url.replace(/^ws/, "http"));
    try {
      const answer = await fetch(url, { headers: { Authorization: `Bearer ${link.token}` }, cache: "no-store" });
      if (answer.status === 401) this.#fresh = true;
      if (answer.status === 403) link.farewell = { code: 403, reason: "this page's origin is not allowed", reconnect: false };
      const after = Number(answer.headers.get("Retry-After"));
      if (after > 0) link.farewell = { code: answer.status, after };
    } catch {
      // The network, then; an ordinary wait is right.
    }
  }

  #ended(link, { code, reason }) {
    if (link !== this.#link) return;
    const said = link.farewell ?? {};
    const end = { code: said.code ?? code, reason: said.reason ?? reason };
    this.#leave();
    if (end.code === TOKEN_EXPIRED) this.#fresh = true;
    if (!(said.reconnect ?? !FINAL.has(end.code))) {
      this.#tell({ phase: "ended", ...end });
      return;
    }
    const after = 1000 * (said.after ?? Number(/window=(\d+)/.exec(end.reason)?.[1] ?? 0));
    const wait = this.#wait(end.code, after);
    this.#told = after > 0;
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.#connect();
    }, wait);
    this.#tell({ phase: "waiting", wait, ...end });
  }

  // Full jitter: a random part of the whole wait, so that not all come back at once.
  #wait(code, after) {
    const backoff = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#failures++);
    if (code === RESTART && after > 0) return Math.random() * after;
    return after + Math.random() * backoff;
  }

  #leave() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const link = this.#link;
    this.#link = null;
    clearTimeout(link?.silence);
    link?.socket?.close(1000);
  }

  #send(link, frame) {
    const text = JSON.stringify(frame);
    link.socket.send(text);
    this.#options.onFrame?.("out", text);
  }

  #tell(state) {
    this.#phase = state.phase;
    this.#options.onState?.(state);
  }
}
