// JSX of Vue that must compile with this import only.
import "@bellhop/client/inbox";
import type { GlobalComponents } from "vue";

export const good = (
  <bellhop-inbox url="https://bell.example.com" inline class="inbox" token={async ({ fresh }) => (fresh ? null : "…")} onBellhopCount={(event) => event.detail.toFixed()} />
);
// @ts-expect-error: url is a string
export const address = <bellhop-inbox url={7} />;

// The types of Vue templates.
type Props = InstanceType<GlobalComponents["bellhop-inbox"]>["$props"];
export const props: Props = { url: "https://bell.example.com", inline: true };
// @ts-expect-error: url is a string
export const wrong: Props = { url: 7 };
