// A page with <bellhop-preferences> and <bellhop-inbox>, which share a connection, and the actions
// of its users.

import { eventually } from "./demo.mjs";

/** The address of the service and the color scheme are in the query. */
export const PREFERENCES_PAGE = `<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="style-src 'nonce-page'; require-trusted-types-for 'script'">
<style nonce="page">
  body { margin: 0 auto; max-width: 40rem; padding: 0 1rem; font: 16px/1.5 sans-serif; background: light-dark(#fff, #111); color: light-dark(#111, #eee) }
  header { display: flex; justify-content: space-between; padding: 0.5rem 0 }
  h1 { margin: 0; font-size: 1.25rem }
</style>
<header><h1>Acme</h1><bellhop-inbox></bellhop-inbox></header>
<main>
  <bellhop-preferences kinds='[{"label": "Comments", "type": "comment.*"}, {"label": "Project 7", "topic": "project.7"}, {"label": "Builds", "type": "build.*"}]'></bellhop-preferences>
</main>
<footer>Acme, Inc.</footer>
<script type="module">
  addEventListener("securitypolicyviolation", ({ violatedDirective }) => errors.push(violatedDirective));
  const [origin, scheme] = location.search.slice(1).split("&").map(decodeURIComponent);
  document.documentElement.style.colorScheme = scheme ?? "light";
  const { connect } = await import(origin + "/client.js");
  const token = async () => {
    const text = await (await fetch("/my/token?user=ada")).text();
    return text === "null" ? null : text;
  };
  const bell = connect({ url: origin, token });
  for (const element of ["inbox", "preferences"]) {
    document.querySelector("bellhop-" + element).bell = bell; // before the element is defined
    await import(origin + "/" + element + ".js");
  }
</script>`;

/** Opens the page, and waits until the preferences are loaded. */
export async function openPreferences(device, site, origin, scheme = "light") {
  const page = preferencesIn(await device.open(`${site.home}/preferences?${encodeURIComponent(origin)}&${scheme}`));
  await eventually(page.enabled, true);
  return page;
}

/** Returns functions that read and operate the element in a tab. */
export function preferencesIn(tab) {
  /** Calls fn with the shadow root of an element. tab.run takes the text of a function, too. */
  const inside = (element, fn, ...args) => tab.run(`(element, ...args) => (${fn})(document.querySelector(element).shadowRoot, ...args)`, element, ...args);
  const run = (fn, ...args) => inside("bellhop-preferences", fn, ...args);
  return {
    tab,
    errors: () => tab.run(() => errors),
    enabled: () => run((root) => root?.querySelector("[part=panel]").disabled === false),
    note: () => run((root) => root?.querySelector("[part=note]").textContent),
    /** Returns the text of the selected level of each kind; null if none is selected. */
    levels: () => run((root) => [...root.querySelectorAll("[part=levels]")].map((row) => row.querySelector(":checked")?.nextSibling.textContent ?? null)),
    /** Returns the quiet hours, or null if they are off. */
    quiet: () => run((root) => (root.querySelector("[role=switch]").checked ? [...root.querySelectorAll("[type=time]")].map(({ value }) => value) : null)),
    toggle: () => run((root) => root.querySelector("[role=switch]").click()),
    choose: (kind, level) =>
      run((root, kind, level) => {
        const row = [...root.querySelectorAll("fieldset[part=row]")].find((row) => row.querySelector("[part=kind]").textContent === kind);
        [...row.querySelectorAll("label")].find((label) => label.textContent === level).click();
      }, kind, level),
    focus: (selector) => run((root, selector) => root.querySelector(selector).focus(), selector),
    /** Returns the label of the focused control; for a radio button, with its kind. */
    focused: () =>
      run((root) => {
        const { activeElement } = root;
        const group = activeElement?.type === "radio" ? `${activeElement.closest("fieldset").ariaLabel}: ` : "";
        return group + (activeElement?.labels?.[0].textContent ?? activeElement?.textContent);
      }),
    /** Returns the backgrounds of the levels of the first kind. */
    colors: () => run((root) => [...root.querySelectorAll("[name='0']")].map((input) => getComputedStyle(input).backgroundColor)),
    openInbox: () => tab.run(() => document.querySelector("bellhop-inbox").show()),
    /** Returns the titles in the inbox; unread ones end with a star. */
    titles: () =>
      inside("bellhop-inbox", (root) =>
        [...root.querySelectorAll("[part~=item]")].map((item) => item.querySelector("[part=item-title]").textContent + (item.part.contains("unread") ? "*" : ""))),
  };
}
