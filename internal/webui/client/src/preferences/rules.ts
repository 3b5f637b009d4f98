import type { Level, PreferenceRule } from "../index.js";

/** From the strictest to the default. */
export const LEVELS: readonly Level[] = ["off", "silent", "alert"];

/** A kind of notifications. Its type and topic are as in a rule; without both, it is all notifications. */
export interface Kind {
  label: string;
  type?: string | undefined;
  topic?: string | undefined;
}

type Match = Pick<Kind, "type" | "topic">;

/** Reports whether wide matches every notification that narrow matches. */
const covers = (wide: Match, narrow: Match) =>
  (["type", "topic"] as const).every((name) => {
    const [pattern, other] = [wide[name], narrow[name]];
    return !pattern || pattern === other || (pattern.endsWith(".*") && other?.startsWith(pattern.slice(0, -1)));
  });

const same = (one: Match, other: Match) => covers(one, other) && covers(other, one);

/** Returns the level of a kind: that of the first rule that matches all of it. Other rules are exceptions. */
export const levelOf = (rules: PreferenceRule[], kind: Match): Level => rules.find((rule) => covers(rule, kind))?.level ?? "alert";

/**
 * Returns rules with this level of kinds[at]. All other rules stay, in their order.
 *
 * The rule stands before the first wider rule, which would decide otherwise, and is absent if
 * the level is the same without it. Of the rules of two kinds that have notifications in common,
 * the stricter one comes first, so that the order of the changes does not matter. Otherwise
 * the rule is the last, so that exceptions from elsewhere still apply.
 */
export function withLevel(rules: PreferenceRule[], kinds: Kind[], at: number, level: Level): PreferenceRule[] {
  const { type, topic } = kinds[at]!;
  const rule = { type, topic, level };
  const rest = rules.filter((other) => !same(other, rule));
  if (levelOf(rest, rule) === level) return rest;
  const isLater = (other: PreferenceRule) =>
    covers(other, rule) || (!covers(rule, other) && LEVELS.indexOf(level) < LEVELS.indexOf(other.level) && kinds.some((kind) => same(kind, other)));
  const index = rest.findIndex(isLater);
  return rest.toSpliced(index < 0 ? rest.length : index, 0, rule);
}

/** Returns the kinds in a list or its JSON; none, with an error on the console, if it has another form. */
export function parseKinds(value: unknown): Kind[] {
  try {
    const kinds: Kind[] = typeof value === "string" ? JSON.parse(value) : (value ?? []);
    if (kinds.every(({ label, type = "", topic = "" }) => label.trim && type.trim && topic.trim)) return kinds;
  } catch {}
  console.error("bellhop-preferences: kinds must be a list of { label, type, topic }:", value);
  return [];
}
