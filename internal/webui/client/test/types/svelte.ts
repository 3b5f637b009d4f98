// Code that a component of Svelte may contain, with no more than this import.
import "@bellhop/client/inbox";
import type { SvelteHTMLElements } from "svelte/elements";

export const good: SvelteHTMLElements["bellhop-inbox"] = {
  url: "https://bell.example.com",
  token: async () => null,
  "onbellhop-count": (event) => event.detail.toFixed(),
};
// @ts-expect-error: an address is text
export const address: SvelteHTMLElements["bellhop-inbox"] = { url: 7 };
