// The forms that send a test notification and revoke tokens.

import { explain, type API } from "./api.js";
import type { Clock } from "./clock.js";
import { confirmed } from "./dialog.js";
import { byId, fill, h, setText } from "./dom.js";
import { link } from "./notification.js";

/** The form that publishes a notification. */
export class SendForm {
  #form = byId<HTMLFormElement>("send");
  #answer = byId("send-answer");

  constructor(readonly api: API) {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send();
    });
    this.#form.addEventListener("change", () => this.#adapt());
    this.#adapt();
  }

  /** Addresses the notification to a user. */
  to(user: string): void {
    this.#field("to").value = "user";
    this.#field("name").value = user;
    this.#adapt();
  }

  #adapt(): void {
    const to = this.#field("to").value;
    const name = this.#field("name");
    name.disabled = to === "all";
    name.required = to !== "all";
    setText(byId("send-name"), to === "topic" ? "Topic" : "User");
  }

  async #send(): Promise<void> {
    const value = (name: string) => this.#field(name).value.trim();
    const to = value("to") === "all" ? { all: true } : value("to") === "topic" ? { topics: [value("name")] } : { users: [value("name")] };
    const optional = Object.fromEntries(["title", "body", "url"].map((name) => [name, value(name)]).filter(([, text]) => text));
    const draft = { to, type: value("type"), priority: value("priority"), receipt: true, ...optional };
    const publish = async () => this.#show(await this.api.post<{ id: string; recipients?: number }>("notify", draft));
    fill(this.#answer);
    if ("all" in to) {
      await confirmed({ title: "Send to everyone?", text: ["Every user of this service receives this notification."], verb: "Send to everyone", run: publish, done: "Sent to everyone." });
      return;
    }
    const button = this.#form.querySelector("button")!;
    button.disabled = true;
    try {
      await publish();
    } catch (error) {
      fill(this.#answer, h("span", { class: "banner" }, explain(error)));
    }
    button.disabled = false;
  }

  #show({ id }: { id: string }): void {
    const user = this.#field("to").value === "user" ? this.#field("name").value.trim() : undefined;
    fill(this.#answer, "Stored as ", h("a", { class: "mono", href: link({ notification: id, user }) }, id), ". Its story shows whether it was delivered.");
  }

  #field(name: string): HTMLInputElement {
    return this.#form.elements.namedItem(name) as HTMLInputElement;
  }
}

/** The forms that revoke all tokens of a user, and one token. */
export class RevokeForms {
  constructor(
    readonly api: API,
    readonly clock: Clock,
  ) {
    this.#on("revoke-user", (fields) => this.user(fields.get("user") as string));
    this.#on("revoke-token", (fields) => this.#token((fields.get("jti") as string).trim(), (fields.get("issuer") as string).trim()));
  }

  /** Revokes all tokens that were issued to a user until now. */
  user(name: string): Promise<boolean> {
    const user = name.trim();
    return confirmed({
      title: `Revoke all tokens of ${user}?`,
      text: [`All tokens that were issued to ${user} until now are refused, and the connections that they opened close.`, "This cannot be undone. New tokens are accepted."],
      verb: "Revoke tokens",
      run: () => this.api.post("revocations", { user, issued_before: this.clock.now().toISOString() }),
      done: `Revoked the tokens of ${user}.`,
    });
  }

  #token(jti: string, issuer: string): Promise<boolean> {
    return confirmed({
      title: "Revoke this token?",
      text: [`The token with the jti ${jti}${issuer ? ` of ${issuer}` : ""} is refused, and its connections close.`, "This cannot be undone."],
      verb: "Revoke token",
      run: () => this.api.post("revocations", { jti, ...(issuer ? { issuer } : {}) }),
      done: `Revoked the token ${jti}.`,
    });
  }

  #on(id: string, act: (fields: FormData) => Promise<boolean>): void {
    const form = byId<HTMLFormElement>(id);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (await act(new FormData(form))) form.reset();
    });
  }
}

