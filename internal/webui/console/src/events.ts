// Parses an event stream.

export type StreamEvent = { event: string; data: string };

/** The most characters of an event that is not complete. A history of 600 samples has about 700,000. */
const MAX_EVENT = 16 << 20;

/** Returns a function that parses the stream's text, in pieces of any size, and passes on each event. */
export function parser(each: (event: StreamEvent) => void): (text: string) => void {
  let rest: string[] = [];
  let size = 0;
  return (text) => {
    rest.push(text);
    size += text.length;
    if (size > MAX_EVENT) throw new Error("an event is too large");
    if (!text.includes("\n")) return;
    const events = rest.join("").replaceAll("\r\n", "\n").split("\n\n");
    const last = events.pop()!;
    rest = [last];
    size = last.length;
    for (const event of events) {
      const lines = event.split("\n");
      const field = (name: string) => lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).replace(/^ /, ""));
      const data = field("data").join("\n");
      if (data) each({ event: field("event").at(-1) ?? "message", data }); // a comment has no data
    }
  };
}
