// Asks before an action that cannot be undone, and shows what came of it.

import { explain } from "./api.js";
import { byId, fill, h, setText } from "./dom.js";

export type Action = {
  title: string; // a question
  text: string[]; // what will happen, a sentence or two each
  verb: string; // the button that does it
  run: () => Promise<unknown>;
  done: string; // what has happened
};

/** Asks, and carries the action out if the answer is yes. Resolves to whether it was carried out. */
export async function confirmed(action: Action): Promise<boolean> {
  const dialog = byId<HTMLDialogElement>("confirm");
  const [yes, no] = [byId<HTMLButtonElement>("confirm-yes"), byId<HTMLButtonElement>("confirm-no")];
  const answer = byId("confirm-answer");
  setText(byId("confirm-title"), action.title);
  fill(byId("confirm-text"), ...action.text.map((text) => h("p", {}, text)));
  setText(yes, action.verb);
  setText(answer, "");
  yes.disabled = false;
  let carriedOut = false;
  const carryOut = async () => {
    yes.disabled = true;
    setText(answer, "");
    try {
      await action.run();
      carriedOut = true;
      dialog.close();
    } catch (error) {
      setText(answer, explain(error));
      yes.disabled = false;
    }
  };
  const cancel = () => dialog.close();
  const submit = (event: Event) => {
    event.preventDefault();
    void carryOut();
  };
  const form = byId("confirm-form");
  form.addEventListener("submit", submit);
  no.addEventListener("click", cancel);
  dialog.showModal();
  no.focus(); // so that Enter does not confirm
  await new Promise<void>((resolve) => dialog.addEventListener("close", () => resolve(), { once: true }));
  form.removeEventListener("submit", submit);
  no.removeEventListener("click", cancel);
  if (carriedOut) announce(action.done);
  return carriedOut;
}

/** Shows a message until it is closed. */
export function announce(text: string): void {
  const notice = byId("notice");
  setText(byId("notice-text"), text);
  notice.hidden = false;
}
