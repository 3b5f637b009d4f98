import { isHidden, ifAvailable, randomId } from "./browser.js";
import { connectTo, STABLE_AFTER, type Connection, type Listener } from "./connection.js";
import type { Service } from "./service.js";
import type { Frame, Status } from "./types.js";

const LEADER_SILENCE = 20_000; // ms without a message, after which a follower checks the leader
const ANSWER_TIMEOUT = 5_000; // ms, after which a leader that does not answer counts as suspended
const HIDDEN_SILENCE = 5_000; // ms without a message, after which a visible follower replaces a hidden leader
const UNSTABLE_TIMEOUT = 30_000; // ms without a stable connection, after which a leader releases the lock

/**
 * A message between tabs: a leader's events, or a follower's request. Tabs with other
 * versions of this module receive it too, so its fields keep their names.
 */
interface Message {
  /** The id of the leader that sent it; absent in a follower's request. */
  by?: string;
  /** The sender has become the leader. */
  leads?: boolean;
  frame?: Frame | undefined;
  status?: Status;
  /** The leader's tab is hidden. */
  hidden?: boolean;
  /** The leader's number of consecutive failed attempts. */
  failures?: number;
  /** The leader's cursor. A follower with another cursor has missed events. */
  from?: string | undefined;
  /** A follower's request to the leader. */
  ask?: "hello" | "wake" | "open";
}

/** The tab that uses a shared connection. */
export interface Tab extends Listener {
  /** Sets the tab's cursor. */
  setCursor(cursor: string | undefined): void;
  /** Returns the `live` frame for a follower that joins, if the tab is live. */
  live(): Frame | undefined;
}

/** A tab's part of the connection that all tabs share. */
export type SharedConnection = Pick<Connection, "wake" | "open" | "close">;

/**
 * Shares one connection between the tabs of a browser. The tab that holds a Web Lock
 * is the leader: it has the connection and forwards its events to the followers. When
 * the leader closes, the next tab gets the lock and resumes from its own cursor. A
 * follower whose cursor differs from the leader's first catches up on a temporary
 * connection of its own.
 *
 * A follower steals the lock from a leader that does not answer, or that is hidden
 * while the follower is visible. A leader that cannot connect releases the lock. A
 * leader that has lost the lock becomes a follower: the browser rejects its lock
 * request, and the new leader announces itself.
 *
 * The first connection begins after the wait of initial, if given.
 */
export function shareConnection(service: Service, share: boolean, tab: Tab, initial?: Status): SharedConnection {
  const name = `bellhop/2 ${service.base} ${service.user}`;
  const id = randomId();
  let channel = share && service.user ? ifAvailable(() => new BroadcastChannel(name)) : undefined;
  let connection: Connection | undefined; // of the leader, or of a follower that catches up
  let leads = false;
  let leaderId: string | undefined; // messages of other leaders are ignored
  let leaderHidden = false;
  let lockStolen = false; // another tab stole the lock, and no message of it has arrived yet
  let failures = 0; // of the leader
  let buffered: Frame[] | undefined; // frames of the leader while this tab catches up
  let lockRequest: AbortController | undefined; // aborting it releases the lock, or ends the wait for it
  let leaderTimer: Timer; // fires when the leader has been silent for too long
  let yieldTimer: Timer; // fires when this leader has had no stable connection for too long
  let stableTimer: Timer; // fires when this leader's connection has become stable

  /** Requests the lock, or steals it. This tab leads while it holds the lock, and follows until then. */
  async function requestLead(steal = false): Promise<void> {
    stop();
    const request = (lockRequest = new AbortController());
    const { signal } = request;
    let granted = false;
    send("open");
    try {
      await navigator.locks.request(name, steal ? { steal } : { signal }, () => {
        if (signal.aborted) return;
        granted = true;
        lead();
        return new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      });
    } catch {
      // Another tab stole the lock, this request was aborted, or the browser refuses locks.
    }
    if (lockRequest !== request) return;
    lockStolen = granted;
    if (granted) requestLead();
    else connectAlone();
  }

  /** Stops leading, or waiting for the lock. */
  function stop(): void {
    releaseLock();
    leads = false;
    leaderId = undefined;
    closeConnection();
  }

  function releaseLock(): void {
    const request = lockRequest;
    lockRequest = undefined;
    request?.abort();
  }

  function closeConnection(): void {
    [leaderTimer, yieldTimer, stableTimer].forEach(clearTimeout);
    yieldTimer = undefined;
    connection?.close();
    connection = undefined;
  }

  function closeChannel(): void {
    channel?.close();
    channel = undefined;
  }

  /** Continues with a connection that is not shared. */
  function connectAlone(): void {
    closeChannel();
    releaseLock();
    if (!leads) lead();
  }

  /** Connects as the leader, and announces it to the followers. */
  function lead(): void {
    closeConnection();
    leads = true;
    buffered = undefined; // the service sends these frames again
    post({ leads });
    const listener: Listener = {
      cursor: tab.cursor,
      onFrame: (frame) => {
        post({ frame, ...(frame.event === "welcome" && { from: tab.cursor() }) });
        tab.onFrame(frame);
      },
      onStatus: (status) => {
        tab.onStatus(status); // may close this connection
        postStatus(status);
        watchLead(status);
      },
    };
    connection = connectTo(service, listener, failures, initial);
  }

  /** Measures how long this leader has had no stable connection. */
  function watchLead({ state }: Status): void {
    if (!channel) return;
    const cancelYield = () => {
      clearTimeout(yieldTimer);
      yieldTimer = undefined;
    };
    clearTimeout(stableTimer);
    if (state === "closed") cancelYield();
    else if (state === "open") stableTimer = setTimeout(cancelYield, STABLE_AFTER);
    else yieldTimer ??= setTimeout(yieldLead, UNSTABLE_TIMEOUT);
  }

  /** Releases the lock so that another tab can try to connect. If there is none, this tab gets the lock again. */
  function yieldLead(): void {
    yieldTimer = undefined;
    if (connection!.fixedWait) return watchLead(connection!.status);
    failures = connection!.failures;
    requestLead();
  }

  /** Handles a follower's request, or the announcement of a new leader. */
  function onFollowerMessage({ ask, leads }: Message): void {
    if (leads) return void requestLead(); // another tab stole the lock
    if (!ask) return;
    if (ask !== "hello") connection![ask]();
    const { status } = connection!;
    const from = tab.cursor();
    const joinable = from && status.state === "open";
    postStatus(status, joinable ? { from, frame: ask === "open" ? tab.live() : undefined } : {});
  }

  /** Handles a message of the leader. While this tab catches up, it buffers the leader's frames. */
  function onLeaderMessage({ by, leads, status, hidden, frame, ...message }: Message): void {
    if (!by) return; // another follower's request
    if (leads) leaderId = by;
    if (by !== (leaderId ??= by)) return;
    lockStolen = false;
    const hasFrom = "from" in message;
    if (hasFrom) compareCursor(message.from);
    if (status) {
      failures = message.failures!;
      leaderHidden = hidden! && status.state !== "closed";
      if (!buffered) tab.onStatus(status);
    }
    expectLeader();
    if (!frame) return;
    if (!buffered) tab.onFrame(frame);
    else if (!hasFrom) buffered.push(frame);
  }

  /** Compares this tab's cursor with the leader's: takes it over if this tab has none, and catches up if they differ. */
  function compareCursor(from: string | undefined): void {
    const own = tab.cursor();
    if (!own) tab.setCursor(from);
    else if (own !== from && !buffered) catchUp(from);
  }

  /** Receives what this tab has missed on a connection of its own, then follows the leader from its cursor. */
  function catchUp(from: string | undefined): void {
    buffered = [];
    const catchUpConnection = (connection = connectTo(service, {
      cursor: tab.cursor,
      onStatus: tab.onStatus,
      onFrame: (frame) => {
        tab.onFrame(frame);
        if (frame.event !== "live") return;
        catchUpConnection.close();
        connection = undefined;
        const frames = buffered!;
        buffered = undefined;
        tab.setCursor(from); // later frames are in the buffer; the tab drops repeats
        frames.forEach(tab.onFrame);
        send("open"); // requests the current status and unread count
      },
    }));
  }

  /** Restarts the timer of the leader's silence. When it fires, this tab checks the leader, or replaces it if the leader is hidden and this tab is visible. */
  function expectLeader(): void {
    const shouldTakeOver = () => leaderHidden && !isHidden();
    clearTimeout(leaderTimer);
    leaderTimer = setTimeout(() => {
      leaderId = undefined; // any tab that answers is the leader
      if (shouldTakeOver()) requestLead(true);
      else send("hello");
    }, shouldTakeOver() ? HIDDEN_SILENCE : LEADER_SILENCE);
  }

  /** Sends a request to the leader. If no answer arrives in time, this tab replaces the leader. */
  function send(kind: Message["ask"]): void {
    if (!channel) return; // not shared, or closed
    clearTimeout(leaderTimer);
    // A tab that lost the lock to an unreachable tab connects alone. Otherwise the two would steal the lock from each other endlessly.
    leaderTimer = setTimeout(() => (lockStolen ? connectAlone() : requestLead(true)), ANSWER_TIMEOUT);
    post({ ask: kind });
  }

  // The error stays in this tab: it comes from the page's token(), and postMessage may be unable to clone it.
  function postStatus({ error, ...status }: Status, more?: Message): void {
    post({ status, hidden: isHidden(), failures: connection?.failures ?? failures, ...more });
  }

  /** Posts a message to the other tabs, marked with this tab's id if it leads. */
  function post(message: Message): void {
    try {
      channel?.postMessage(leads ? { by: id, ...message } : message);
    } catch {
      connectAlone();
    }
  }

  if (channel) {
    channel.onmessage = ({ data }) => (leads ? onFollowerMessage(data) : onLeaderMessage(data));
    requestLead();
  } else lead();

  return {
    wake(networkLost) {
      connection?.wake(networkLost);
      if (leads) postStatus(connection!.status); // tells followers whether the tab is still hidden
      else if (!networkLost) send("wake");
    },
    open() {
      connection?.open();
      if (!leads) send("open");
    },
    close() {
      stop();
      closeChannel();
    },
  };
}

type Timer = ReturnType<typeof setTimeout> | undefined;
