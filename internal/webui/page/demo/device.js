// One user's device: its connection, its list, its bell. The list and the
// cursor are kept together, so that a reload resumes exactly where it was.

import { Connection } from "./connection.js";
import { divider, notification } from "./entries.js";
import { recall, remember } from "./memory.js";

const SHOWN = 60;

export class Device {
  element;
  #id;
  #name;
  #announce;
  #connection;
  #parts;
  #state; // {cursor, entries: newest first, looked: ids, when a reset brings them again}
  #replayed = 0; // since the last welcome
  #first; // this tab has not heard from the service before
  #retry = 0;

  constructor({ id, name, url, token, onFrame, announce }) {
    this.#id = id;
    this.#name = name;
    this.#announce = announce;
    this.#state = recall(id);
    this.#first = !this.#state.cursor;
    this.#build();
    this.#connection = new Connection({
      url,
      token,
      cursor: this.#state.cursor ?? "earliest", // a new tab shows what is kept
      onNotification: (n, how) => this.#arrived(n, how),
      onCursor: (cursor) => this.#moved(cursor),
      onReset: ({ reason }) => this.#reset(reason),
      onState: (state) => this.#became(state),
      onFrame,
    });
  }

  open() {
    this.#connection.open();
  }

  check() {
    this.#connection.check();
  }

  #build() {
    const fragment = document.getElementById("device").content.cloneNode(true);
    this.element = fragment.querySelector(".device");
    const part = (selector) => this.element.querySelector(selector);
    this.#parts = {
      says: part(".says"), cursor: part(".cursor"), list: part(".list"),
      bell: part(".bell"), badge: part(".badge"), label: part(".bell .label"),
      toggle: part(".toggle span"), plug: part(".toggle use"),
    };
    this.element.classList.add(this.#id);
    this.element.dataset.user = this.#id;
    this.element.setAttribute("aria-label", `${this.#name}’s device`);
    part("h2").textContent = this.#name;
    part(".avatar").textContent = this.#name[0];
    this.#parts.list.setAttribute("aria-label", `${this.#name}’s notifications, newest first`);
    this.#parts.bell.addEventListener("click", () => this.#look());
    part(".toggle").addEventListener("click", () => this.#toggle());
    this.#parts.list.append(...this.#state.entries.map((entry) => this.#draw(entry)));
    this.#count();
  }

  #toggle() {
    if (this.#isAway()) {
      this.#connection.open();
      return;
    }
    this.#connection.close();
    this.#add({ kind: "left", time: new Date().toISOString() });
    this.#save();
    this.#announce(`${this.#name} is offline`);
  }

  #isAway() {
    return this.#connection.phase === "offline" || this.#connection.phase === "ended";
  }

  #arrived(n, { replayed }) {
    if (replayed) this.#replayed++;
    this.#add({ kind: "notification", notification: pick(n), replayed, isNew: !this.#state.looked.includes(n.id) }, true);
    this.#count();
    animate(this.#parts.bell, "rings");
    if (!replayed) this.#announce(`${this.#name}: ${n.title ?? n.type}`);
  }

  // The frame is handled and on the screen: now its cursor may be kept.
  #moved(cursor) {
    this.#state.cursor = cursor;
    this.#save();
    this.#parts.cursor.textContent = `…${cursor.slice(-6)}`;
    animate(this.#parts.cursor, "moved");
  }

  #reset(reason) {
    const seen = this.#state.entries.filter((entry) => entry.kind === "notification" && !entry.isNew);
    this.#state.looked = seen.map((entry) => entry.notification.id);
    this.#state.entries = [];
    this.#parts.list.replaceChildren();
    this.#add({ kind: "reset", reason });
    this.#count();
  }

  #became({ phase, wait, code, reason }) {
    clearInterval(this.#retry);
    this.element.dataset.phase = phase;
    this.#parts.toggle.textContent = this.#isAway() ? "Come back" : "Go offline";
    this.#parts.plug.setAttribute("href", this.#isAway() ? "#icon-plug" : "#icon-unplug");
    this.#parts.cursor.hidden = !this.#state.cursor;
    if (phase === "catching-up") this.#replayed = 0;
    if (phase === "live") this.#caughtUp();
    if (phase === "waiting") this.#countDown(wait, code);
    else this.#parts.says.textContent = sayings[phase] ?? `Ended: ${reason || code}`;
  }

  #caughtUp() {
    const newest = this.#state.entries.at(0)?.kind;
    if (this.#replayed > 0 || newest === "left") {
      this.#add({ kind: "back", count: this.#replayed, first: this.#first });
      this.#announce(`${this.#name} is back: ${this.#replayed} replayed`);
    }
    this.#first = false;
  }

  #countDown(wait, code) {
    const due = Date.now() + wait;
    const show = () => {
      const seconds = Math.max(0, Math.ceil((due - Date.now()) / 1000));
      this.#parts.says.textContent = `Lost (${code}), again in ${seconds} s`;
    };
    show();
    this.#retry = setInterval(show, 1000);
  }

  #look() {
    for (const entry of this.#state.entries) entry.isNew = false;
    for (const item of this.#parts.list.children) item.classList.remove("new");
    this.#count();
    this.#save();
  }

  #add(entry, arrives = false) {
    this.#state.entries.unshift(entry);
    const item = this.#draw(entry);
    if (arrives) item.classList.add("arrives");
    this.#parts.list.prepend(item);
    this.#parts.list.scrollTop = 0;
    this.#state.entries.length = Math.min(this.#state.entries.length, SHOWN);
    while (this.#parts.list.children.length > SHOWN) this.#parts.list.lastElementChild.remove();
  }

  #draw(entry) {
    return entry.kind === "notification" ? notification(entry) : divider(entry);
  }

  #count() {
    const count = this.#state.entries.filter((entry) => entry.isNew).length;
    this.#parts.badge.textContent = count;
    this.#parts.badge.hidden = count === 0;
    this.#parts.label.textContent = count === 0 ? `${this.#name} has seen everything` : `${count} new for ${this.#name}: mark as seen`;
  }

  #save() {
    remember(this.#id, this.#state);
  }
}

const sayings = {
  offline: "Offline, resumes after",
  connecting: "Connecting",
  "catching-up": "Catching up",
  live: "Live",
};

// What the page shows of a notification, and so what it keeps of it.
function pick({ id, type, title, body, priority, time, audience }) {
  return { id, type, title, body, priority, time, audience };
}

// Starts the animation of a class anew, even while it runs.
function animate(element, name) {
  element.classList.remove(name);
  void element.offsetWidth;
  element.classList.add(name);
}
