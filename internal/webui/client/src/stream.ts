import { connectionLost, refused } from "./close.js";
import type { TransportOptions, Transport } from "./socket.js";
import { bearer } from "./service.js";
import type { Frame } from "./types.js";

/** Opens an event stream, for networks that block WebSockets. */
export function openStream(course: TransportOptions): Transport {
  const stop = new AbortController();
  follow(course, stop.signal).catch((error) => course.end(connectionLost(String(error))));
  return { close: () => stop.abort() };
}

// Uses fetch instead of EventSource: fetch can send the token in a header, tells a
// refusal from a lost network, and does not reconnect by itself.
async function follow({ service, token, cursor, onFrame, onData, end }: TransportOptions, signal: AbortSignal): Promise<void> {
  const answer = await fetch(service.url("events", { cursor }), { headers: bearer(token), cache: "no-store", signal });
  if (!answer.ok) return end(refused(answer));
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  const read = parser(onFrame);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return end(connectionLost("stream ended"));
    onData();
    read(value);
  }
}

/** Returns a function that parses the stream's text, in pieces of any size, and passes on each event. */
export function parser(frame: (frame: Frame) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const events = (rest + text).split("\n\n"); // the service ends lines with LF
    rest = events.pop()!;
    for (const event of events) {
      const field = (name: string) => new RegExp(`^${name}: ?(.*)`, "m").exec(event)?.[1];
      const [name, data] = [field("event"), field("data")];
      // A comment has neither field. The service sends data as one line.
      if (name && data) frame({ event: name, cursor: field("id"), data: JSON.parse(data) } as Frame);
    }
  };
}
