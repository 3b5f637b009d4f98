import { describe, expect, it } from "vitest";
import type { Level, PreferenceRule } from "../src/index.js";
import { levelOf, withLevel, type Kind } from "../src/preferences/rules.js";

const all: Kind = { label: "All" };
const comments: Kind = { label: "Comments", type: "comment.*" };
const created: Kind = { label: "New comments", type: "comment.created" };
const project: Kind = { label: "Project 7", topic: "project.7" };
const kinds = [all, comments, created, project];

const rule = ({ type, topic }: Partial<Kind>, level: Level): PreferenceRule => ({ type, topic, level });
const set = (rules: PreferenceRule[], kind: Kind, level: Level, listed = kinds) => withLevel(rules, listed, listed.indexOf(kind), level);

describe("the level of a kind", () => {
  it("is that of the first rule that matches all of it", () => {
    expect(levelOf([], comments)).toBe("alert");
    expect(levelOf([rule(comments, "silent")], comments)).toBe("silent");
    expect(levelOf([rule(all, "off"), rule(comments, "silent")], comments)).toBe("off");
    expect(levelOf([rule({ type: "comment.*" }, "off")], created)).toBe("off");
    expect(levelOf([rule({ type: "comment.*" }, "off")], { type: "comment.reply.*" })).toBe("off");
    expect(levelOf([rule({ topic: "project.*" }, "off")], project)).toBe("off");
  });

  it("does not depend on rules for a part of it", () => {
    for (const part of [created, { type: "comment.*", topic: "project.7" }, project, { type: "comment" }, { type: "comments.*" }, { type: "comment.*.x" }]) {
      expect(levelOf([rule(part, "off")], comments)).toBe("alert");
    }
    expect(levelOf([rule(comments, "off")], all)).toBe("alert");
    expect(levelOf([rule(comments, "off")], { type: "comment" })).toBe("alert"); // the pattern needs the dot
  });
});

describe("setting the level of a kind", () => {
  it("adds, replaces and removes its rule", () => {
    const silent = set([], comments, "silent");
    expect(silent).toEqual([rule(comments, "silent")]);
    expect(set(silent, comments, "off")).toEqual([rule(comments, "off")]);
    expect(set(silent, comments, "alert")).toEqual([]);
  });

  it("keeps all other rules in their order", () => {
    const others: PreferenceRule[] = [rule({ type: "build.*", topic: "ci" }, "alert"), rule(created, "off"), rule({ topic: "team" }, "silent")];
    const off = set(others, project, "off", [project]);
    expect(off).toEqual([...others, rule(project, "off")]);
    expect(set(off, project, "alert", [project])).toEqual(others);
  });

  it("puts the rule before a wider one, which would decide otherwise", () => {
    const wide = [rule({ type: "build.*" }, "off"), rule({}, "off"), rule({ topic: "team" }, "silent")];
    const alert = set(wide, comments, "alert");
    expect(alert).toEqual([wide[0], rule(comments, "alert"), wide[1], wide[2]]);
    expect(levelOf(alert, comments)).toBe("alert");
    expect(set(alert, comments, "off")).toEqual(wide); // the wider rule says the same
  });

  it("replaces a rule that never applied, and its repetitions", () => {
    const rules = [rule(all, "off"), rule(created, "alert"), rule(created, "silent")];
    expect(set(rules, created, "alert")).toEqual([rule(created, "alert"), rule(all, "off")]);
  });

  it("puts a wider rule behind narrower ones", () => {
    expect(set([rule(comments, "off"), rule(project, "silent")], all, "silent")).toEqual([rule(comments, "off"), rule(project, "silent"), rule(all, "silent")]);
  });

  it("gives the same result in any order of the changes", () => {
    for (const [one, other] of [["off", "silent"], ["silent", "off"]] as const) {
      const there = set(set([], comments, one), project, other);
      const back = set(set([], project, other), comments, one);
      expect(there).toEqual(back);
      expect(there[0]!.level).toBe("off");
    }
  });

  it("shows what was set, whatever was there before", () => {
    const levels: Level[] = ["off", "silent", "alert"];
    for (let seed = 1, rules: PreferenceRule[] = []; seed < 3_000; seed++) {
      const at = (seed * 7919) % 101;
      const kind = kinds[at % kinds.length]!;
      const level = levels[at % 3]!;
      const foreign = rules.filter((one) => one.topic === "team");
      rules = set(rules, kind, level);
      expect(levelOf(rules, kind)).toBe(level);
      expect(rules.filter((one) => one.topic === "team")).toEqual(foreign);
      if (seed % 50 === 0) rules = seed % 100 ? [] : [...rules, rule({ topic: "team", type: "x" }, "silent")];
    }
  });
});
