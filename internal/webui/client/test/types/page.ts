// Code of a page without a framework that must compile with every module resolution.
import { connect, type Bell, type Close, type Status } from "@bellhop/client";
import { BellhopInbox, type InboxEvents, type Labels } from "@bellhop/client/inbox";

const bell: Bell = connect({
  url: "https://bell.example.com",
  token: async () => undefined,
  get storage() {
    return localStorage;
  },
});
bell.on("state", ({ state, wait, error }: Status) => [state === "waiting" && wait!.toFixed(), error?.message]);
bell.on("close", ({ code }: Close) => code.toFixed());
export const age = async () => {
  for await (const { id, time } of bell) return [id.length, bell.now() - Date.parse(time)];
  return undefined;
};

const inbox: BellhopInbox = document.createElement("bellhop-inbox");
const labels: Partial<Labels> = { title: "Mitteilungen" };
Object.assign(inbox, { bell, labels });
inbox.url = null;
inbox.token = () => null;
inbox.addEventListener("bellhop-count", (event: InboxEvents["bellhop-count"]) => event.detail.toFixed());
// @ts-expect-error: a token is a string
inbox.token = () => 7;
// @ts-expect-error: no such event
bell.on("nothing", () => {});
