// What stands in a device's list: notifications, and dividers that tell when
// the device was away. Text from outside is only ever set as text.

/** Returns the list item of a notification. */
export function notification({ notification: n, replayed, isNew }) {
  const item = document.getElementById("notification").content.cloneNode(true).querySelector("li");
  const part = (selector) => item.querySelector(selector);
  item.dataset.id = n.id;
  item.classList.toggle("new", isNew);
  item.classList.toggle("was-replayed", replayed);
  part(".type").textContent = n.type;
  part(".title").textContent = n.title ?? "";
  part(".body").textContent = n.body ?? "";
  part(".replayed").hidden = !replayed;
  part(".high").hidden = n.priority !== "high";
  part(".low").hidden = n.priority !== "low";
  part(".all").hidden = n.audience !== "all";
  const time = part("time");
  time.dateTime = n.time;
  time.title = n.time;
  time.textContent = clock(n.time);
  return item;
}

/** Returns the list item that says that the device left, came back, or lost its place. */
export function divider(entry) {
  const item = document.createElement("li");
  item.className = `divider ${entry.kind}`;
  const text = document.createElement("span");
  text.textContent = phrase(entry);
  item.append(icon(entry.kind === "left" ? "unplug" : "replay"), text);
  return item;
}

function phrase({ kind, time, count, reason, first }) {
  if (kind === "left") return `Went offline at ${clock(time)}`;
  if (kind === "reset" && reason === "truncated") return "Some of the missed are no longer kept";
  if (kind === "reset") return "Started over: the service did not know the cursor";
  if (count === 0) return "Back, nothing was missed";
  return first ? `${count} kept from before` : `Back, ${count} replayed in order`;
}

/** Returns an icon of the page's sprite. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Returns the time of day, as people here write it. */
export function clock(time) {
  return new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}
