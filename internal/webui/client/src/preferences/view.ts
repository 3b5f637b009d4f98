import { format } from "../inbox/labels.js";
import type { Level, QuietHours } from "../index.js";
import type { Change, Edits } from "./edits.js";
import { english, type PreferencesLabels, type Text } from "./labels.js";
import { LEVELS, levelOf, withLevel, type Kind } from "./rules.js";
import css from "./style.js";

/** Creates an element with these properties. */
function create<K extends keyof HTMLElementTagNameMap>(tag: K, properties: object, ...children: (Node | string)[]): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Updates all elements that have changed. */
export type Draw = (kinds: Kind[], edits: Edits | undefined, labels: Partial<PreferencesLabels> | null | undefined) => void;

/** Creates an element that shows the label that its part names, if there is one. */
const text = (part: string, tag: "h2" | "p" | "span" = "span") => create(tag, { part, dir: "auto" });

const time = (name: "from" | "to", value: string) => create("input", { type: "time", name, value });

/** Creates a row of radio buttons, one for each level. */
function newRow(name: number): HTMLElement {
  const levels = LEVELS.map((value) => create("label", {}, create("input", { type: "radio", name, value }), text(value)));
  return create("fieldset", { part: "row" }, text("kind"), create("span", { part: "levels" }, ...levels));
}

function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text; // screen readers announce each assignment
}

const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Creates the shadow tree of the element, which shows preferences and calls change for what the user selects. */
export function newView(host: HTMLElement, change: (change: Change) => void, retry: () => void): Draw {
  let kinds: Kind[] = [];
  const rows = create("div", {});
  const toggle = create("input", { type: "checkbox", role: "switch", name: "quiet" });
  const from = time("from", "22:00");
  const to = time("to", "07:00");
  const times = create("fieldset", { part: "row times" }, create("label", {}, text("from"), from), create("label", {}, text("to"), to));
  const controls = create(
    "fieldset",
    { part: "panel", onchange: ({ target }: Event) => change(changeOf(target as HTMLInputElement)) },
    text("title", "h2"),
    text("hint", "p"),
    rows,
    create("label", { part: "row" }, text("quiet"), toggle),
    times,
    text("quietHint", "p"),
  );
  const status = Object.assign(text("note"), { role: "status" });
  const again = create("button", { part: "retry", onclick: retry });
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet(); // allowed by a Content-Security-Policy without inline styles
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [sheet];
  root.append(controls, create("p", {}, status, " ", again));

  /** The names of radio buttons are indices of kinds, and those of other inputs are what they change. */
  function changeOf({ name, value, checked }: HTMLInputElement): Change {
    const current = kinds;
    return (before) => {
      const { rules, quiet } = before;
      if (name in current) return { ...before, rules: withLevel(rules, current, +name, value as Level) };
      if (name === "quiet") return { ...before, quiet: checked ? (quiet ?? { from: from.value, to: to.value, zone: ownZone }) : undefined };
      return quiet && value ? { ...before, quiet: { ...quiet, [name]: value } } : before;
    };
  }

  return (newKinds, edits, labels) => {
    const focused = root.activeElement; // now, since Chromium removes the focus from an element that is hidden
    const shown = edits?.shown();
    const quiet = shown?.quiet;
    const note = edits ? edits.note : "loading";
    const say = (name: string, of?: string) => format(labels?.[name as Text] ?? english[name as Text] ?? name, of);
    kinds = newKinds;
    kinds.forEach((kind, i) => {
      const row = rows.children[i] ?? rows.appendChild(newRow(i));
      setText(row.firstElementChild!, (row.ariaLabel = kind.label));
      for (const input of row.querySelectorAll("input")) input.checked = !!shown && input.value === levelOf(shown.rules, kind);
    });
    while (rows.children[kinds.length]) rows.lastChild!.remove();
    for (const element of root.querySelectorAll("[part]")) if (element.part.value in english) setText(element, say(element.part.value, quiet?.zone ?? ownZone));
    setText(status, note ? say(note, say(edits?.reason ?? "")) : "");
    toggle.checked = !(times.disabled = !quiet);
    for (const input of [from, to]) {
      const value = quiet?.[input.name as keyof QuietHours];
      if (value && input.value !== value) input.value = value; // an equal value stays untouched: the user may be typing
    }
    controls.ariaLabel = say("title");
    times.ariaLabel = say("quiet");
    controls.disabled = !shown;
    again.hidden = !!shown || !edits?.reason;
    if (focused?.matches(":disabled,[hidden]")) root.querySelector<HTMLElement>("input:enabled,button")!.focus();
  };
}
