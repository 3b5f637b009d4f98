import type { Label } from "../inbox/labels.js";

/** The texts of the element. A page can replace all of them, for other languages. */
export interface PreferencesLabels {
  title: Label;
  off: Label;
  silent: Label;
  alert: Label;
  /** Explains the levels. */
  hint: Label;
  quiet: Label;
  /** Explains quiet hours. `{}` is their time zone. */
  quietHint: Label;
  from: Label;
  to: Label;
  loading: Label;
  saved: Label;
  /** `{}` is the reason: `offline`, `loggedOut`, or an explanation of the service. */
  notSaved: Label;
  offline: Label;
  loggedOut: Label;
  retry: Label;
}

export type Text = keyof PreferencesLabels;

export const english: PreferencesLabels = {
  title: "Notification preferences",
  off: "Off",
  silent: "Silent",
  alert: "On",
  hint: "Silent: in your inbox, but never pushed.",
  quiet: "Quiet hours",
  quietHint: "Pushes wait, except important ones. Time zone: {}",
  from: "From",
  to: "To",
  loading: "Loading…",
  saved: "Saved.",
  notSaved: "Not saved. {}",
  offline: "No connection.",
  loggedOut: "You are not logged in.",
  retry: "Try again",
};
