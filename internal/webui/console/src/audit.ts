// The audit lines, newest first.

import { byId, fill, h, setText } from "./dom.js";
import { moment, plural } from "./format.js";
import { ID, link } from "./notification.js";
import type { Line } from "./types.js";

/** The most lines that are kept, and of these the most that are shown. */
export const MAX_LINES = 500;
const SHOWN = 100;

/** Kept lines, oldest first. */
export class Lines {
  #lines: Line[] = [];
  #seen = new Set<string>();
  #hashes = new Map<string, string>(); // of users, in lower case

  /** Notes the hash that stands for a user in lines that users have caused: the user's name finds them, too. */
  alias(user: string, hash: string): void {
    this.#hashes.set(user.toLowerCase(), hash.toLowerCase());
  }

  get size(): number {
    return this.#lines.length;
  }

  /** Adds a line. Reports whether it is new: after a reconnect, the service sends the last ones again. */
  add(line: Line): boolean {
    const key = JSON.stringify(line);
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    this.#lines.push(line);
    if (this.#lines.length > MAX_LINES) this.#drop();
    return true;
  }

  /** Drops the oldest line of the kind that has more lines, as the service does: refused or failed requests displace no actions. */
  #drop(): void {
    const actions = this.#lines.filter(isAction).length;
    const at = this.#lines.findIndex((line) => isAction(line) === actions > MAX_LINES / 2);
    for (const line of this.#lines.splice(at, 1)) this.#seen.delete(JSON.stringify(line));
  }

  /** Returns the lines that contain all words of a text, or the hash of a user in place of the name, newest first. */
  matching(text: string, outcome: string): Line[] {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (line: Line) => {
      if (outcome && line.outcome !== outcome) return false;
      const all = Object.values(line).join(" ").toLowerCase();
      return words.every((word) => all.includes(word) || all.includes(this.#hashes.get(word) ?? word));
    };
    return this.#lines.filter(fits).reverse().sort((a, b) => Date.parse(b.time) - Date.parse(a.time) || 0); // lines with equal ones arrive late
  }
}

const isAction = ({ outcome }: Line) => outcome !== "refused" && outcome !== "failed";

export class Audit {
  #lines = new Lines();
  #list = byId("audit-lines");
  #text = byId<HTMLInputElement>("audit-text");
  #outcome = byId<HTMLSelectElement>("audit-outcome");
  #drawing = false;

  constructor() {
    for (const control of [this.#text, this.#outcome]) control.addEventListener("input", () => this.#draw());
    byId("audit-filter").addEventListener("submit", (event) => event.preventDefault());
    this.#draw();
  }

  add(line: Line): void {
    if (!this.#lines.add(line) || this.#drawing) return;
    this.#drawing = true; // lines that arrive together are drawn together
    queueMicrotask(() => this.#draw());
  }

  /** Shows only the lines about a user, or caused by the user, whom these have as a hash. */
  filter(user: string, hash: string): void {
    if (hash) this.#lines.alias(user, hash);
    this.#text.value = user;
    this.#draw();
    this.#text.focus();
  }

  #draw(): void {
    this.#drawing = false;
    const lines = this.#lines.matching(this.#text.value, this.#outcome.value);
    fill(this.#list, ...lines.slice(0, SHOWN).map(row));
    const filtered = lines.length < this.#lines.size;
    setText(byId("audit-count"), filtered ? `${lines.length} of ${plural(this.#lines.size, "line")}` : plural(lines.length, "line"));
  }
}

const GOOD: Record<string, string> = { done: "good", partly: "warn", unknown: "warn" };

/** Returns the element of a line. */
function row(line: Line): HTMLElement {
  const { target, problem, reason, principal, user, issuer } = line;
  const by = [principal || (user && `user ${user}`), issuer].filter(Boolean).join(" of ");
  return h("li", {},
    h("div", { class: "line" },
      h("time", { datetime: line.time, title: line.time }, moment(line.time)),
      h("span", { class: "action" }, line.action ?? line.message),
      line.repeated !== undefined && h("span", { class: "quiet", title: `and ${line.repeated} equal lines` }, `×${line.repeated + 1}`),
      line.outcome && h("span", { class: `state ${GOOD[line.outcome] ?? "bad"}`, title: problem }, line.outcome),
    ),
    (reason || problem) && h("div", {}, reason || problem),
    (by || target) && h("div", {}, by && h("span", {}, "by ", linked(by, ofPrincipal(line))), by && target && " ", target && h("span", {}, "on ", linked(target, ofTarget(line)))),
    (line.request || line.address) && h("div", { class: "request" }, [line.request, line.address].filter(Boolean).join(" ")),
  );
}

const linked = (text: string, to?: string) => (to === undefined ? text : h("a", { href: to }, text));

/** Returns the address of the user who has caused a line, if it was one. */
export const ofPrincipal = ({ principal }: Line) => (principal?.startsWith("user:") ? link({ user: principal.slice("user:".length) }) : undefined);

/** Returns the address of the notification or the user that a line is about, if it is about one. */
export function ofTarget({ action, target, principal }: Line): string | undefined {
  if (!target) return undefined;
  if (!principal && /\/users\/:user/.test(action ?? "")) return undefined; // the target is a hash
  if (/^(disconnect|export|erase|preferences)$|\/users\/:user/.test(action ?? "")) return link({ user: target });
  return ID.test(target) ? link({ notification: target }) : undefined;
}
