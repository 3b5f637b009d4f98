// One user's device: its connection, and the element that shows the inbox.

import { connect } from "../client.js";
import { clock } from "./draw.js";

export class Device {
  element;
  #options;
  #name;
  #bell;
  #parts;
  #cursor; // kept while the device is away, as a phone would
  #replayed = 0; // since the last welcome
  #away = false; // it left, and was not live since
  #retry = 0;

  constructor({ id, name, url, token }) {
    this.#name = name;
    // A connection of its own: another tab shows its own frames.
    this.#options = { url, token, share: false, storage: { getItem: () => this.#cursor, setItem: (_, cursor) => this.#moved(cursor) } };
    this.#build(id);
  }

  open() {
    this.#bell = connect(this.#options);
    this.#parts.inbox.bell = this.#bell;
    this.#bell.on("state", (status) => this.#became(status));
    this.#bell.on("welcome", () => (this.#replayed = 0));
    this.#bell.on("notification", () => this.#replayed++);
    this.#bell.on("reset", ({ reason }) => this.#says(reason === "truncated" ? "Some of the missed are no longer kept" : "Started over: the service did not know the cursor"));
    this.#bell.on("live", () => this.#live());
    this.#became({ state: this.#bell.state });
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
      empty: "Nothing yet. The first notification rings here.",
      arrived: `${this.#name}: {}`,
    };
    part(".toggle").addEventListener("click", () => (this.#isAway() ? this.#comeBack() : this.#leave()));
  }

  #isAway() {
    return this.#bell.state === "closed";
  }

  #leave() {
    this.#away = true;
    this.#bell.close();
    this.#says(`Went offline at ${clock(Date.now())}`);
  }

  #comeBack() {
    if (this.#away) this.open();
    else this.#bell.open(); // the service had said not to
  }

  // The frame is handled: now its cursor may be kept.
  #moved(cursor) {
    this.#cursor = cursor;
    this.#parts.cursor.hidden = false;
    this.#parts.cursor.textContent = `…${cursor.slice(-6)}`;
    this.#parts.cursor.classList.remove("moved");
    void this.#parts.cursor.offsetWidth; // lest the animation not begin anew
    this.#parts.cursor.classList.add("moved");
  }

  #became({ state, wait, code, reason, error }) {
    clearInterval(this.#retry);
    this.#phase(state === "open" ? "catching-up" : state === "closed" && this.#away ? "offline" : state);
    this.#parts.toggle.textContent = this.#isAway() ? "Come back" : "Go offline";
    this.#parts.plug.setAttribute("href", this.#isAway() ? "#icon-plug" : "#icon-unplug");
    if (wait !== undefined) this.#countDown(wait, error ? `No token (${error.message})` : state === "offline" ? "Offline" : `Lost (${code})`);
    if (state === "closed" && !this.#away) this.#parts.says.textContent = `Ended: ${reason || code}`;
  }

  #live() {
    if (this.element.dataset.phase === "live") return; // said again on a quiet connection
    this.#phase("live");
    const count = this.#replayed;
    if (count > 0) this.#says(`Back, ${count} replayed in order`);
    else if (this.#away) this.#says("Back, nothing was missed");
    this.#away = false;
  }

  #phase(phase) {
    this.element.dataset.phase = phase;
    this.#parts.says.textContent = sayings[phase] ?? "";
  }

  #countDown(wait, why) {
    const due = Date.now() + wait;
    const show = () => {
      const seconds = Math.max(0, Math.ceil((due - Date.now()) / 1000));
      this.#parts.says.textContent = `${why}, again in ${seconds} s`;
    };
    show();
    this.#retry = setInterval(show, 1000);
  }

  #says(story) {
    this.#parts.story.textContent = story;
  }
}

const sayings = {
  offline: "Offline",
  connecting: "Connecting",
  "catching-up": "Catching up",
  live: "Live",
};
