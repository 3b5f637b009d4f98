import { Bell } from "./bell.js";
import type { Options } from "./types.js";

export type { Bell };
export type { Verb } from "./marks.js";
export type * from "./types.js";

/**
 * Connects a page to bellhop, and stays connected:
 *
 *     const bell = connect({ url: "https://bell.example.com", token: async () => (await fetch("/my/token")).text() });
 *     for await (const notification of bell) show(notification);
 */
export function connect(options: Options): Bell {
  return new Bell(options);
}
