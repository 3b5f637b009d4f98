// What JSX may hold in React, Preact and Solid, with no more than this import.
import "@bellhop/client/inbox";

export const good = (
  <div>
    <bellhop-inbox url="https://bell.example.com" inline theme="auto" id="inbox" token={async ({ fresh }) => (fresh ? null : "…")} onbellhop-count={(event) => event.detail.toFixed()} />
    <bellhop-inbox labels={{ title: "Mitteilungen" }} bell={undefined} on:bellhop-select={(event) => event.detail.cursor} />
  </div>
);
// @ts-expect-error: an address is text
export const address = <bellhop-inbox url={7} />;
// @ts-expect-error: a token is had by a function
export const token = <bellhop-inbox token="eyJ" />;
