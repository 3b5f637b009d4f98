import { lost, refusal } from "./closing.js";
import type { Course, Transport } from "./socket.js";
import { bearer } from "./service.js";
import type { Frame } from "./types.js";

/** Opens an event stream, for where sockets do not get through. */
export function openStream(course: Course): Transport {
  const stop = new AbortController();
  follow(course, stop.signal).catch((error) => course.end(lost(String(error))));
  return { close: () => stop.abort() };
}

// fetch and not EventSource: it can send the token in a header, tells a refusal
// from a lost network, and leaves coming back to us.
async function follow({ service, token, cursor, frame, heard, end }: Course, signal: AbortSignal): Promise<void> {
  const answer = await fetch(service.at("events", { cursor }), { headers: bearer(token), cache: "no-store", signal });
  if (!answer.ok) return end(refusal(answer));
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  const read = parser(frame);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return end(lost("stream ended"));
    heard();
    read(value);
  }
}

/** Returns what takes the stream's text as it comes and hands over each event in it. */
export function parser(frame: (frame: Frame) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const events = (rest + text).split("\n\n"); // the service ends no line with CR
    rest = events.pop()!;
    for (const event of events) {
      const field = (name: string) => new RegExp(`^${name}: ?(.*)`, "m").exec(event)?.[1];
      const [name, data] = [field("event"), field("data")];
      // A comment has neither; and the service puts data in one line.
      if (name && data) frame({ event: name, cursor: field("id"), data: JSON.parse(data) } as Frame);
    }
  };
}
