// One user's device: its connection, and the element that shows the inbox.

import { connect } from "../client.js";
import { clock } from "./draw.js";

export class Device {
  element;
  #options;
  #name;
  #bell;
  #parts;
  #cursor; // stored while the device is offline, as on a phone
  #replayed = 0; // notifications since the last welcome
  #away = false; // the user took it offline, and it has not been live since
  #retry = 0;

  constructor({ id, name, url, token }) {
    this.#name = name;
    // Not shared between tabs, because each tab shows the frames of its own connection.
    this.#options = { url, token, share: false, storage: { getItem: () => this.#cursor, setItem: (_, cursor) => this.#storeCursor(cursor) } };
    this.#build(id);
  }

  open() {
    this.#bell = connect(this.#options);
    this.#parts.inbox.bell = this.#bell;
    this.#bell.on("state", (status) => this.#onStatus(status));
    this.#bell.on("welcome", () => (this.#replayed = 0));
    this.#bell.on("notification", () => this.#replayed++);
    this.#bell.on("reset", ({ reason }) => this.#showStory(reason === "truncated" ? "Some missed notifications have been removed" : "Reset: the cursor is unknown to the service"));
    this.#bell.on("live", () => this.#onLive());
    this.#onStatus({ state: this.#bell.state });
  }

  #build(id) {
    this.element = document.getElementById("device").content.cloneNode(true).querySelector(".device");
    const part = (selector) => this.element.querySelector(selector);
    this.#parts = {
      says: part(".says"), cursor: part(".cursor"), story: part(".story"), inbox: part("bellhop-inbox"),
      toggle: part(".toggle span"), plug: part(".toggle use"),
    };
    this.element.classList.add(id);
    this.element.dataset.user = id;
    this.element.setAttribute("aria-label", `${this.#name}’s device`);
    part("h2").textContent = this.#name;
    part(".avatar").textContent = this.#name[0];
    this.#parts.inbox.labels = {
      title: `${this.#name}’s inbox`,
      empty: "No notifications yet.",
      arrived: `${this.#name}: {}`,
    };
    // An application would show the page that a link leads to. The demo has no other pages.
    this.#parts.inbox.addEventListener("bellhop-select", (event) => this.#visit(event, event.detail.url));
    this.#parts.inbox.addEventListener("bellhop-action", (event) => this.#visit(event, event.detail.action.url));
    part(".toggle").addEventListener("click", () => (this.#isClosed() ? this.#reconnect() : this.#leave()));
  }

  #visit(event, url) {
    if (!url) return;
    event.preventDefault();
    this.#showStory(`Followed the link to ${url}`);
  }

  #isClosed() {
    return this.#bell.state === "closed";
  }

  #leave() {
    this.#away = true;
    this.#bell.close();
    this.#showStory(`Went offline at ${clock(Date.now())}`);
  }

  #reconnect() {
    if (this.#away) this.open();
    else this.#bell.open(); // the service closed the connection and asked not to reconnect
  }

  // Called when the frame with this cursor has been handled.
  #storeCursor(cursor) {
    this.#cursor = cursor;
    this.#parts.cursor.hidden = false;
    this.#parts.cursor.textContent = `…${cursor.slice(-6)}`;
    this.#parts.cursor.classList.remove("moved");
    void this.#parts.cursor.offsetWidth; // a reflow, which restarts the animation
    this.#parts.cursor.classList.add("moved");
  }

  #onStatus({ state, wait, code, reason, error }) {
    clearInterval(this.#retry);
    this.#phase(state === "open" ? "catching-up" : state === "closed" && this.#away ? "offline" : state);
    this.#parts.toggle.textContent = this.#isClosed() ? "Reconnect" : "Go offline";
    this.#parts.plug.setAttribute("href", this.#isClosed() ? "#icon-plug" : "#icon-unplug");
    if (wait !== undefined) this.#countDown(wait, error ? `No token (${error.message})` : state === "offline" ? "Offline" : `Connection lost (${code})`);
    if (state === "closed" && !this.#away) this.#parts.says.textContent = `Closed: ${reason || code}`;
  }

  #onLive() {
    if (this.element.dataset.phase === "live") return; // a connection without other events receives live again
    this.#phase("live");
    const count = this.#replayed;
    if (count > 0) this.#showStory(`Reconnected: ${count} missed ${count === 1 ? "notification" : "notifications"} received in order`);
    else if (this.#away) this.#showStory("Reconnected: no missed notifications");
    this.#away = false;
  }

  #phase(phase) {
    this.element.dataset.phase = phase;
    this.#parts.says.textContent = phaseLabels[phase] ?? "";
  }

  #countDown(wait, why) {
    const due = Date.now() + wait;
    const show = () => {
      const seconds = Math.max(0, Math.ceil((due - Date.now()) / 1000));
      this.#parts.says.textContent = `${why}, next attempt in ${seconds} s`;
    };
    show();
    this.#retry = setInterval(show, 1000);
  }

  #showStory(story) {
    this.#parts.story.textContent = story;
  }
}

const phaseLabels = {
  offline: "Offline",
  connecting: "Connecting",
  "catching-up": "Catching up",
  live: "Live",
};
