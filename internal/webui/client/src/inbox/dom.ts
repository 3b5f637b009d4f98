type Attributes = Record<string, string | ((event: Event) => void)>;

/** Creates an element. An attribute whose value is a function becomes a handler for the event of that name. */
export function createElement<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes, ...children: (Node | string)[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "string") element.setAttribute(name, value);
    else element.addEventListener(name, value as EventListener);
  }
  element.append(...children);
  return element;
}

export const span = (part: string, ...children: (Node | string)[]) => createElement("span", { part, dir: "auto" }, ...children);

/** Creates an element whose text only screen readers present. */
export const screenReaderText = () => createElement("span", { class: "sr-only" });

export const button = (part: string, click: (event: Event) => void, ...children: Node[]) => createElement("button", { part, type: "button", click }, ...children);

/** Sets an attribute if its value differs, so that screen readers announce only changes. */
export function setAttribute(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Sets the text of an element, and hides the element if the text is empty. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

/** Creates an icon from path data in a view box of 24 by 24. */
export function icon(pathData: string): SVGSVGElement {
  const [svg, path] = (["svg", "path"] as const).map((name) => document.createElementNS("http://www.w3.org/2000/svg", name)) as [SVGSVGElement, SVGPathElement];
  setAttribute(svg, "viewBox", "0 0 24 24");
  setAttribute(svg, "aria-hidden", "true");
  setAttribute(path, "d", pathData);
  svg.append(path);
  return svg;
}
