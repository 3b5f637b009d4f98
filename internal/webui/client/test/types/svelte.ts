// Code of a Svelte component that must compile with this import only.
import "@bellhop/client/inbox";
import type { SvelteHTMLElements } from "svelte/elements";

export const good: SvelteHTMLElements["bellhop-inbox"] = {
  url: "https://bell.example.com",
  token: async () => null,
  "onbellhop-count": (event) => event.detail.toFixed(),
};
// @ts-expect-error: url is a string
export const address: SvelteHTMLElements["bellhop-inbox"] = { url: 7 };
