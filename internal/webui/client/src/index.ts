export { connect, type Bell } from "./bell.js";
export type { Verb } from "./marks.js";
export type * from "./types.js";
