type Attributes = Record<string, string | ((event: Event) => void)>;

/** Makes an element with attributes, and handlers by the names of their events. */
export function make<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes, ...children: (Node | string)[]): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "string") made.setAttribute(name, value);
    else made.addEventListener(name, value as EventListener);
  }
  made.append(...children);
  return made;
}

export const span = (part: string, ...children: (Node | string)[]) => make("span", { part, dir: "auto" }, ...children);

/** A text for screen readers alone. */
export const hush = () => make("span", { class: "hush" });

export const button = (part: string, click: (event: Event) => void, ...children: Node[]) => make("button", { part, type: "button", click }, ...children);

/** Sets an attribute where it is not so already: what did not change is not announced. */
export function set(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Shows an element with this text, or hides it where there is none. */
export function write(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

/** Makes an icon of one line, on a field of 24. */
export function icon(line: string): SVGSVGElement {
  const [svg, path] = (["svg", "path"] as const).map((name) => document.createElementNS("http://www.w3.org/2000/svg", name)) as [SVGSVGElement, SVGPathElement];
  set(svg, "viewBox", "0 0 24 24");
  set(svg, "aria-hidden", "true");
  set(path, "d", line);
  svg.append(path);
  return svg;
}
