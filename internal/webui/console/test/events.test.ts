import { expect, it } from "vitest";
import { parser, type StreamEvent } from "../src/events.js";

function parse(...texts: string[]): StreamEvent[] {
  const events: StreamEvent[] = [];
  const read = parser((event) => events.push(event));
  for (const text of texts) read(text);
  return events;
}

it("reads events, in pieces of any size", () => {
  const text = 'event: hello\ndata: {"node":"a"}\n\n: a comment\n\nevent: sample\r\ndata: 1\r\n\r\n';
  const want = [{ event: "hello", data: '{"node":"a"}' }, { event: "sample", data: "1" }];
  expect(parse(text)).toEqual(want);
  expect(parse(...text)).toEqual(want);
});

it("waits for the end of an event", () => {
  expect(parse("event: sample\ndata: 1\n")).toEqual([]);
});

it("joins lines of data", () => {
  expect(parse("data: 1\ndata: 2\n\n")).toEqual([{ event: "message", data: "1\n2" }]);
});

it("refuses an event without end", () => {
  const read = parser(() => {});
  const piece = "x".repeat(1 << 20);
  expect(() => {
    for (let i = 0; i < 32; i++) read(piece);
  }).toThrow("too large");
});
