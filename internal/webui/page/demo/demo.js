// The page: two devices, a form, a look at the wire, and code to take along.

import { Device } from "./device.js";
import { Sender } from "./sender.js";
import { address, session } from "./session.js";
import { Snippets } from "./snippets.js";
import { Wire } from "./wire.js";

const USERS = [
  { id: "ada", name: "Ada" },
  { id: "grace", name: "Grace" },
];

async function start() {
  const { base, users } = await session();
  const wire = new Wire(document.getElementById("wire"));
  const announcer = document.getElementById("announce");
  const announce = (text) => {
    announcer.textContent = text;
  };

  const devices = USERS.map(
    ({ id, name }) =>
      new Device({
        id,
        name,
        url: address(base, "/ws", "ws"),
        token: async (ask) => (await session(ask)).users[id].token,
        onFrame: (direction, text) => wire.add(id, name, direction, text),
        announce,
      }),
  );
  document.getElementById("devices").append(...devices.map((device) => device.element));

  const sender = new Sender(document.getElementById("send"), {
    url: address(base, "/notify"),
    token: async (ask) => (await session(ask)).publisher.token,
    onRequest: (direction, text) => wire.add("post", "POST", direction, text),
  });
  const snippets = new Snippets({
    url: address(base, "/notify"),
    socket: address(base, "/ws", "ws"),
    publisher: (await session()).publisher.token,
    user: users.ada.token,
  });
  sender.onChange = (draft) => snippets.show(draft);
  snippets.show(sender.draft());

  for (const device of devices) device.open();
  const check = () => {
    if (!document.hidden) for (const device of devices) device.check();
  };
  addEventListener("online", check);
  document.addEventListener("visibilitychange", check);
}

start().catch((error) => {
  const trouble = document.getElementById("trouble");
  trouble.textContent = `The demo could not start: ${error.message}. Reload the page once the service runs.`;
  trouble.hidden = false;
});
