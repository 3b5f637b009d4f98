// What JSX may hold in Vue, with no more than this import.
import "@bellhop/client/inbox";
import type { GlobalComponents } from "vue";

export const good = (
  <bellhop-inbox url="https://bell.example.com" inline class="inbox" token={async ({ fresh }) => (fresh ? null : "…")} onBellhopCount={(event) => event.detail.toFixed()} />
);
// @ts-expect-error: an address is text
export const address = <bellhop-inbox url={7} />;

// And templates.
type Props = InstanceType<GlobalComponents["bellhop-inbox"]>["$props"];
export const props: Props = { url: "https://bell.example.com", inline: true };
// @ts-expect-error: an address is text
export const wrong: Props = { url: 7 };
