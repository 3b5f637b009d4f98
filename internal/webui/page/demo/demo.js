// The demo page: two devices, a form, a log of network messages, and code examples.

import "../inbox.js";
import { Device } from "./device.js";
import { Sender } from "./sender.js";
import { address, session } from "./session.js";
import { Snippets } from "./snippets.js";
import { tap } from "./tap.js";
import { Wire } from "./wire.js";

const USERS = { ada: "Ada", grace: "Grace" };

async function start() {
  const { base, users, publisher } = await session();
  const wire = new Wire(document.getElementById("wire"));
  tap((user, direction, text) => wire.add(user, USERS[user], direction, text));

  const devices = Object.entries(USERS).map(
    ([id, name]) => new Device({ id, name, url: address(base, ""), token: async (ask) => (await session(ask)).users[id].token }),
  );
  document.getElementById("devices").append(...devices.map((device) => device.element));

  const sender = new Sender(document.getElementById("send"), {
    url: address(base, "/notify"),
    token: async (ask) => (await session(ask)).publisher.token,
    onRequest: (direction, text) => wire.add("post", "POST", direction, text),
  });
  const snippets = new Snippets({ url: address(base, ""), publisher: publisher.token, user: users.ada.token });
  sender.onChange = (draft) => snippets.show(draft);
  snippets.show(sender.draft());

  for (const device of devices) device.open();
}

start().catch((error) => {
  const trouble = document.getElementById("trouble");
  trouble.textContent = `The demo could not start: ${error.message}. Reload the page when the service is running.`;
  trouble.hidden = false;
});
