// The console: wires the stream, the views and the address together.

import { API, Token } from "./api.js";
import { Audit } from "./audit.js";
import { Clock } from "./clock.js";
import { byId } from "./dom.js";
import { RevokeForms, SendForm } from "./forms.js";
import { Live } from "./live.js";
import { ID, link, NotificationView } from "./notification.js";
import { Ring } from "./ring.js";
import { SignIn } from "./signin.js";
import { Stream } from "./stream.js";
import { Strip } from "./strip.js";
import { UserView } from "./user.js";

const VIEWS = ["live", "user", "notification", "send", "revoke"];

const token = new Token();
const clock = new Clock();
const ring = new Ring();
const strip = new Strip(ring);
const live = new Live(ring);
const audit = new Audit();
const signIn = new SignIn(token, () => stream.open());
const api = new API(token, (problem) => {
  stream.close();
  signIn.show(problem);
});
const send = new SendForm(api);
const revoke = new RevokeForms(api, clock);
const notifications = new NotificationView(api);
const users = new UserView(api, {
  send: (user) => {
    send.to(user);
    location.hash = "#send";
  },
  revoke: (user) => revoke.user(user),
  audit: (user, hash) => audit.filter(user, hash),
});

let frame = 0;
let signedIn = false;
const stream = new Stream(token, {
  state(state) {
    strip.state(state);
    if (state.phase === "refused") {
      signedIn = false;
      signIn.show(state.problem);
    }
  },
  hello(hello) {
    clock.reset();
    strip.hello(hello);
    signIn.hide();
    if (!signedIn || failed()) route(); // what the address names could not be loaded before
    signedIn = true;
  },
  history(samples) {
    ring.replace(samples);
    draw();
  },
  sample(sample) {
    clock.note(sample.time);
    ring.push(sample);
    draw();
  },
  audit: (line) => audit.add(line),
});

/** Draws once a frame, however many samples arrive together, and not while the page is hidden. */
function draw(): void {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(() => {
    strip.draw();
    live.draw();
  });
}

/** Shows the view that the address names. */
function route(): void {
  const hash = location.hash.slice(1);
  const target = new URLSearchParams(hash.replaceAll("+", "%2B")); // no name has a space, and links are often written by hand
  const [user, id] = [target.get("user") ?? "", target.get("notification") ?? ""];
  const view = id ? "notification" : user ? "user" : VIEWS.includes(hash) ? hash : "live";
  for (const name of VIEWS) byId(`view-${name}`).hidden = name !== view;
  for (const a of document.querySelectorAll("nav a")) {
    if (a.getAttribute("href") === `#${view}`) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  if (view === "notification") void notifications.show(id, user);
  if (view === "user") void users.show(user);
  if (view === "live") live.draw(true);
}

/** Reports whether a part of the view could not be loaded. */
function failed(): boolean {
  return document.querySelector("main > .views > :not([hidden]) [role=alert]") !== null;
}

function search(event: Event): void {
  event.preventDefault();
  const input = byId<HTMLInputElement>("search-text");
  const text = input.value.trim();
  if (!text) return;
  input.value = "";
  const to = link(ID.test(text) ? { notification: text } : { user: text });
  if (location.hash === to) route();
  else location.hash = to;
}

byId("search").addEventListener("submit", search);
addEventListener("hashchange", () => {
  byId("notice").hidden = true; // it is about what the earlier view showed
  route();
  scrollTo(0, 0);
  document.querySelector<HTMLElement>("main > .views > :not([hidden]) h2")?.focus();
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) byId("notice").hidden = true;
  const typing = event.target instanceof Element && event.target.matches("input, textarea, select");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  byId("search-text").focus();
});
addEventListener("theme", () => live.recolor());
addEventListener("online", () => stream.retry());
byId("retry").addEventListener("click", () => stream.retry());
byId("notice-close").addEventListener("click", () => (byId("notice").hidden = true));
new ResizeObserver(([header]) => {
  document.documentElement.style.setProperty("--header", `${header!.borderBoxSize[0]!.blockSize}px`);
}).observe(document.querySelector(".top")!);
setInterval(() => strip.countdown(), 1000);
stream.open();
