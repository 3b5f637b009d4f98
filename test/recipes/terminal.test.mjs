// The recipes for terminals and phones, and the first steps of the README.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { delimiter, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Service } from "../browser/client.mjs";
import { eventually } from "../browser/demo.mjs";
import { binary, scratch } from "../browser/service.mjs";
import { blocks, expiring, Program, readme, recipe, recipes, run } from "./recipes.mjs";

const BIN = new URL("node_modules/.bin", import.meta.url).pathname;
const KOTLIN = new URL("node_modules/kotlin-compiler/", import.meta.url).pathname;
const JARS = ["okhttp", "okio", "com.android.json"].map((name) => `/usr/share/java/${name}.jar`);

describe("recipes without a page", { timeout: 600_000 }, () => {
  let dir, bin;
  before(() => {
    dir = scratch();
    bin = binary(dir.path);
  });
  after(() => dir?.remove());

  async function start(t) {
    const data = scratch();
    const service = new Service(bin, data.path, "https://app.example.com");
    await service.start();
    t.after(async () => {
      await service.stop();
      data.remove();
    });
    return service;
  }

  /** Runs a program until the test ends. */
  function begin(t, command, args, options) {
    const program = new Program(spawn(command, args, options));
    t.after(() => program.stop());
    return program;
  }

  it("wscat", async (t) => {
    const service = await start(t);
    await service.publish("before");
    const commands = [...blocks(recipes, "sh wscat"), ...[...recipes.matchAll(/`(wscat [^`]*)`/g)].map(([, line]) => line)];
    assert.equal(commands.length, 2);
    for (const command of commands) {
      const line = command.trim().replace("localhost:8080", new URL(service.origin).host);
      const env = { ...process.env, TOKEN: service.token("ada", "1h"), PATH: BIN + delimiter + process.env.PATH, TERM: "dumb" };
      const wscat = begin(t, "script", ["-qefc", line, "/dev/null"], { env }); // which is a terminal
      const heard = (what) => eventually(() => wscat.lines.some((line) => line.includes(what)), true);
      await heard('"event":"live"');
      if (line.includes("earliest")) await heard('"title":"before"');
      wscat.child.stdin.write('{"event":"ping","ref":"by hand"}\n');
      await heard('"event":"reply","ref":"by hand"');
    }
  });

  it("Kotlin", async (t) => {
    const sources = [join(dir.path, "Bellhop.kt"), new URL("Main.kt", import.meta.url).pathname];
    writeFileSync(sources[0], recipe("kotlin Bellhop.kt"));
    const classes = join(dir.path, "classes");
    const classpath = JARS.join(delimiter);
    const { stderr } = await run("bash", [`${KOTLIN}bin/kotlinc`, "-Werror", "-no-reflect", "-cp", classpath, "-d", classes, ...sources]);
    assert.equal(stderr, "");
    const service = await start(t);
    const cursor = join(dir.path, "cursor");
    const signed = join(dir.path, "signed"); // the token that is given to whoever asks
    const path = [classes, `${KOTLIN}lib/kotlin-stdlib.jar`, ...JARS].join(delimiter);
    const hear = (url) => {
      const program = begin(t, "java", ["-cp", path, "MainKt", url, cursor, `cat ${signed}`]);
      program.said = () => program.lines.filter((line) => line !== "stored");
      return program;
    };
    const says = (program, ...lines) => eventually(program.said, lines);

    await t.test("hears, resumes and drops repeats", async () => {
      writeFileSync(signed, service.token("ada", "1h"));
      const first = hear(`${service.origin}/ws`);
      await says(first, "token fresh=false", "welcome", "live");
      await service.publish("one");
      await eventually(() => first.lines.slice(-2), ["heard one", "stored"]);
      await service.publish("fails once"); // the connection ends, and it is told again
      const again = ["heard fails once", "token fresh=false", "welcome", "heard fails once", "live"];
      await says(first, "token fresh=false", "welcome", "live", "heard one", ...again);
      await service.publish("two");
      await eventually(() => first.lines.slice(-2), ["heard two", "stored"]);
      await first.stop();

      await service.publish("meanwhile");
      const second = hear(`${service.origin}/ws`);
      await says(second, "token fresh=false", "welcome", "heard meanwhile", "live");

      assert.equal(await service.stop(), 0); // 1012, and then nobody listens
      await service.start();
      await service.publish("after the restart");
      await eventually(() => second.lines.includes("heard after the restart"), true);
      assert.ok(second.lines.includes("close"));
      assert.ok(!second.lines.includes("reset"));
      await second.stop();
    });

    await t.test("asks for a new token when the old one runs out, and stays away when it is revoked", async () => {
      writeFileSync(signed, expiring(12)); // Java takes its time to begin
      const program = hear(`${service.origin}/ws`);
      await eventually(() => program.lines.includes("live"), true);
      writeFileSync(signed, service.token("ada", "1h"));
      await says(program, "token fresh=false", "welcome", "live", "close", "token fresh=true", "welcome", "live");

      const answer = await fetch(`${service.origin}/revocations`, {
        method: "POST",
        headers: { Authorization: `Bearer ${service.token("root", "1h", "notify:admin")}`, "Content-Type": "application/json" },
        body: JSON.stringify({ user: "ada", issued_before: new Date().toISOString() }),
      });
      assert.equal(answer.status, 204);
      await eventually(() => program.lines.at(-1), "away 4403");
      await program.stop();
    });

    await t.test("stays away from what is not there", async () => {
      const program = hear(`${service.origin}/nowhere`);
      await says(program, "token fresh=false", "away 404");
      await program.stop();
    });
  });

  it("the first steps of the README", async (t) => {
    const [listen, admin] = await Promise.all([freePort(), freePort()]);
    const home = scratch();
    t.after(home.remove);
    copyFileSync(bin, join(home.path, "bellhop"));
    const until = (what, file) => `for _ in $(seq 300); do grep -q "${what}" ${file} && break; sleep 0.05; done`;
    const steps = blocks(readme, "sh").filter((block) => block.includes("./bellhop "));
    assert.equal(steps.length, 2);
    const script = steps.join("\n")
      .replace(/^go build -o bellhop .*$/m, "") // done
      .replaceAll("http://localhost:8080", `http://127.0.0.1:${listen}`)
      .replace(/bellhop serve &/, `bellhop serve 2> log & ${until("listening", "log")}`)
      .replace(/(listen --token "\$ADA") &/, `$1 > heard 2>&1 & ${until("connected as ada", "heard")}`);
    const { BELLHOP_BIN: _, ...rest } = process.env; // which is no setting
    const env = {
      ...rest, BELLHOP_LISTEN: `127.0.0.1:${listen}`, BELLHOP_ADMIN_LISTEN: `127.0.0.1:${admin}`,
      BELLHOP_URL: `http://127.0.0.1:${listen}`, BELLHOP_DRAIN_WINDOW: "1",
    };
    const end = "trap 'kill $(jobs -p); wait' EXIT";
    const all = [end, script, until("Grace commented", "heard"), "cat heard"].join("\n");
    const shell = begin(t, "bash", ["-ec", all], { cwd: home.path, env });
    const [code] = await shell.ended;
    assert.equal(code, 0, shell.lines.join("\n"));
    assert.ok(shell.lines.some((line) => line.includes('"recipients":1')), shell.lines.join("\n"));
    assert.ok(shell.lines.some((line) => line.includes("Grace commented")), shell.lines.join("\n"));
  });
});

async function freePort() {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address();
  server.close();
  return port;
}
