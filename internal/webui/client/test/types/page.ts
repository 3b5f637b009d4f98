// Code of a page without a framework that must compile with every module resolution.
import { connect, type Bell, type Close, type InboxCounts, type InboxFilter, type Preferences, type Status } from "@bellhop/client";
import { BellhopInbox, type InboxEvents, type Labels, type Tab } from "@bellhop/client/inbox";
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

export const seen = async (filter: InboxFilter) => {
  const page = await bell.inbox({ ...filter, state: "unread" });
  await bell.seen(page.items.map(({ id }) => id));
  const { by }: InboxCounts = await bell.counts({ by: "type", priority: ["normal", "high"] });
  return [page.unseen_count, page.items[0]?.seen_at, bell.unseenCount, by?.mention?.unseen];
};
bell.on("inbox", ({ seen = [], unseen_count }) => [seen.length, unseen_count]);

const tabs: Tab[] = [{ label: "Mentions", type: "mention.*" }];
const inbox: BellhopInbox = document.createElement("bellhop-inbox");
const labels: Partial<Labels> = { title: "Mitteilungen" };
Object.assign(inbox, { bell, labels });
inbox.url = null;
inbox.tabs = tabs;
inbox.tabs = '[{"label": "Mentions", "type": "mention.*"}]';
inbox.token = () => null;
inbox.addEventListener("bellhop-count", (event: InboxEvents["bellhop-count"]) => event.detail.toFixed());
// @ts-expect-error: a token is a string
inbox.token = () => 7;
// @ts-expect-error: no such priority
inbox.tabs = [{ label: "Urgent", priority: "urgent" }];
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
