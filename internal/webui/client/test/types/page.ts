// Code of a page without a framework that must compile with every module resolution.
import { connect, type Bell, type Close, type Preferences, type Status } from "@bellhop/client";
import { BellhopInbox, type InboxEvents, type Labels } from "@bellhop/client/inbox";
import { BellhopPreferences, type Kind, type PreferencesEvents } from "@bellhop/client/preferences";

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

const preferences: BellhopPreferences = document.createElement("bellhop-preferences");
const kinds: Kind[] = [{ label: "Comments", type: "comment.*" }, { label: "All" }];
preferences.kinds = kinds;
preferences.bell = bell;
preferences.labels = { quiet: "Ruhezeit" };
preferences.addEventListener("bellhop-preferences", (event: PreferencesEvents["bellhop-preferences"]) => event.detail.quiet?.from.length);
export const muted = (): Promise<Preferences> => bell.preferences((before) => ({ ...before, rules: [{ type: "comment.*", level: "off" }, ...before.rules] }));
// @ts-expect-error: no such level
void bell.preferences(() => ({ rules: [{ level: "loud" }] }));
