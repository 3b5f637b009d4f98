// JSX of Vue that must compile with these imports only.
import "@bellhop/client/inbox";
import "@bellhop/client/preferences";
import type { GlobalComponents } from "vue";

export const good = (
  <bellhop-inbox url="https://bell.example.com" inline tabs={[{ label: "Mentions", type: "mention.*" }]} class="inbox" token={async ({ fresh }) => (fresh ? null : "…")} onBellhopCount={(event) => event.detail.toFixed()} />
);
// @ts-expect-error: url is a string
export const address = <bellhop-inbox url={7} />;

// The types of Vue templates.
type Props = InstanceType<GlobalComponents["bellhop-inbox"]>["$props"];
export const props: Props = { url: "https://bell.example.com", inline: true };
// @ts-expect-error: url is a string
export const wrong: Props = { url: 7 };

export const preferences = (
  <bellhop-preferences url="https://bell.example.com" kinds='[{"label": "Comments"}]' class="preferences" token={async () => null} onBellhopPreferences={(event) => event.detail.quiet?.zone} />
);
// @ts-expect-error: a kind has a label
export const kinds: InstanceType<GlobalComponents["bellhop-preferences"]>["$props"] = { kinds: [{ topic: "project.7" }] };
