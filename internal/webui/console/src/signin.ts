// Asks for a token when the service requires one.

import { explain, type Problem, type Token } from "./api.js";
import { byId, setText } from "./dom.js";

export class SignIn {
  #page = byId("signin");
  #main = byId("main");
  #out = byId("signout");

  /** onToken is called after the token has changed. */
  constructor(
    readonly token: Token,
    onToken: () => void,
  ) {
    const form = byId<HTMLFormElement>("signin-form");
    const input = byId<HTMLInputElement>("signin-token");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const value = input.value.trim().replace(/^Bearer\s+/i, "");
      if (!value) return;
      input.value = "";
      token.value = value;
      onToken();
    });
    this.#out.addEventListener("click", () => {
      token.value = "";
      location.reload(); // so that nothing remains of what was shown
    });
  }

  /** Shows the form, and why a token was refused. */
  show(problem: Problem): void {
    const refused = this.token.value !== "";
    this.token.value = "";
    setText(byId("signin-problem"), refused ? explain(problem) : "");
    const opened = this.#page.hidden;
    document.body.classList.add("signed-out");
    this.#page.hidden = false;
    this.#main.hidden = true;
    this.#out.hidden = true;
    if (opened || refused) byId("signin-token").focus();
  }

  /** Shows the console. */
  hide(): void {
    document.body.classList.remove("signed-out");
    this.#page.hidden = true;
    this.#main.hidden = false;
    this.#out.hidden = this.token.value === "";
  }
}
