// JSX of React, Preact and Solid that must compile with this import only.
import "@bellhop/client/inbox";

export const good = (
  <div>
    <bellhop-inbox url="https://bell.example.com" inline theme="auto" id="inbox" token={async ({ fresh }) => (fresh ? null : "…")} onbellhop-count={(event) => event.detail.toFixed()} />
    <bellhop-inbox labels={{ title: "Mitteilungen" }} bell={undefined} on:bellhop-select={(event) => event.detail.cursor} />
  </div>
);
// @ts-expect-error: url is a string
export const address = <bellhop-inbox url={7} />;
// @ts-expect-error: token is a function
export const token = <bellhop-inbox token="eyJ" />;
