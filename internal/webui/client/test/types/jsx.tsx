// JSX of React, Preact and Solid that must compile with these imports only.
import "@bellhop/client/inbox";
import "@bellhop/client/preferences";

export const good = (
  <div>
    <bellhop-inbox url="https://bell.example.com" inline theme="auto" id="inbox" token={async ({ fresh }) => (fresh ? null : "…")} onbellhop-count={(event) => event.detail.toFixed()} />
    <bellhop-inbox labels={{ title: "Mitteilungen" }} tabs={[{ label: "Mentions", type: "mention.*" }]} bell={undefined} on:bellhop-select={(event) => event.detail.cursor} />
  </div>
);
// @ts-expect-error: a tab has a label
export const tabs = <bellhop-inbox tabs={[{ type: "mention.*" }]} />;
// @ts-expect-error: url is a string
export const address = <bellhop-inbox url={7} />;
// @ts-expect-error: token is a function
export const token = <bellhop-inbox token="eyJ" />;

export const preferences = (
  <bellhop-preferences url="https://bell.example.com" kinds={[{ label: "Comments", type: "comment.*" }]} theme="dark" id="preferences" token={async () => null} labels={{ off: "Aus" }} onbellhop-preferences={(event) => event.detail.rules.length} />
);
// @ts-expect-error: a kind has a label
export const kinds = <bellhop-preferences kinds={[{ type: "comment.*" }]} />;
