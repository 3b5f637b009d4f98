// Code of a Svelte component that must compile with these imports only.
import "@bellhop/client/inbox";
import "@bellhop/client/preferences";
import type { SvelteHTMLElements } from "svelte/elements";

export const good: SvelteHTMLElements["bellhop-inbox"] = {
  url: "https://bell.example.com",
  token: async () => null,
  "onbellhop-count": (event) => event.detail.toFixed(),
};
// @ts-expect-error: url is a string
export const address: SvelteHTMLElements["bellhop-inbox"] = { url: 7 };

export const preferences: SvelteHTMLElements["bellhop-preferences"] = {
  kinds: [{ label: "Comments", type: "comment.*" }],
  token: async () => null,
  "onbellhop-preferences": (event) => event.detail.rules.length,
};
// @ts-expect-error: kinds are a list or JSON
export const kinds: SvelteHTMLElements["bellhop-preferences"] = { kinds: 7 };
