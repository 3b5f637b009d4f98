// Runs the recipes for terminals and phones, and the commands of the README.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { createServer } from "node:net";
import { once } from "node:events";
import { delimiter, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { WebSocket as NodeSocket } from "ws";
import { Service } from "../browser/client.mjs";
import { eventually } from "../browser/demo.mjs";
import { binary, scratch } from "../browser/service.mjs";
import { blocks, expiring, Program, readme, recipe, recipes, run } from "./recipes.mjs";

const BIN = new URL("node_modules/.bin", import.meta.url).pathname;
const KOTLIN = new URL("node_modules/kotlin-compiler/", import.meta.url).pathname;
const PYTHON = "/usr/bin/python3"; // Debian's, with Debian's packages
const TIMEOUT = 60_000;
const OBSERVED_FOR = 5_000; // ms during which attempts are counted
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
      const wscat = begin(t, "script", ["-qefc", line, "/dev/null"], { env }); // runs the command in a terminal
      const expectOutput = (what) => eventually(() => wscat.lines.some((line) => line.includes(what)), true);
      await expectOutput('"event":"live"');
      if (line.includes("earliest")) await expectOutput('"title":"before"');
      wscat.child.stdin.write('{"event":"ping","ref":"by hand"}\n');
      await expectOutput('"event":"reply","ref":"by hand"');
    }
  });

  /** Tests the guarantees of all clients on a program. run starts the program. */
  async function testClient(t, service, { run: runProgram, directory, fresh, stores }) {
    const cursor = join(directory, "cursor");
    const signed = join(directory, "signed"); // the file with the token that the program gets
    const launch = (path = "/ws") => {
      const program = runProgram(`${service.origin}${path}`, cursor, `cat ${signed}`);
      program.events = () => program.lines.filter((line) => line !== "stored");
      return program;
    };
    const expectLines = (program, ...lines) => eventually(program.events, lines);
    const [first, again] = [`token fresh=${fresh[0]}`, `token fresh=${fresh[1]}`];

    await t.test("receives, resumes and drops repeats", async () => {
      writeFileSync(signed, service.token("ada", "1h"));
      const before = launch();
      await expectLines(before, first, "welcome", "live");
      await service.publish("one");
      await eventually(() => before.lines.slice(-2), ["received one", "stored"]);
      await service.publish("fails once"); // the connection ends, and the next one receives it again
      const repeated = ["received fails once", first, "welcome", "received fails once", "live"];
      await expectLines(before, first, "welcome", "live", "received one", ...repeated);
      await service.publish("two");
      await eventually(() => before.lines.slice(-2), ["received two", "stored"]);
      await before.stop();

      await service.publish("meanwhile");
      const second = launch();
      await expectLines(second, first, "welcome", "received meanwhile", "live");

      assert.equal(await service.stop(), 0); // closes with 1012, then the port is closed
      await service.start();
      await service.publish("after the restart");
      await eventually(() => second.lines.includes("received after the restart"), true, TIMEOUT);
      assert.ok(!second.lines.includes("reset"));
      await second.stop();
    });

    await t.test("requests a token again after a failure or expiry, and does not reconnect after a revocation", async () => {
      rmSync(signed);
      const program = launch();
      await eventually(() => program.lines.filter((line) => line === first).length > 2, true, TIMEOUT);
      writeFileSync(signed, expiring(12)); // long enough for a JVM to start
      await eventually(() => program.lines.includes("live"), true, TIMEOUT);
      writeFileSync(signed, service.token("ada", "1h"));
      await eventually(() => program.lines.slice(program.lines.indexOf("live") + 1).filter((line) => line === "live").length, 1, TIMEOUT);
      assert.ok(program.lines.includes(again));

      const answer = await fetch(`${service.origin}/revocations`, {
        method: "POST",
        headers: { Authorization: `Bearer ${service.token("root", "1h", "notify:admin")}`, "Content-Type": "application/json" },
        body: JSON.stringify({ user: "ada", issued_before: new Date().toISOString() }),
      });
      assert.equal(answer.status, 204);
      await eventually(() => program.lines.at(-1), "closed 4403");
      await program.stop();
    });

    await t.test("does not reconnect after 404", async () => {
      const program = launch("/nowhere");
      await expectLines(program, first, "closed 404");
      await program.stop();
    });

    await t.test("waits longer after each failure to handle a notification", async () => {
      await new Promise((resolve) => setTimeout(resolve, 1100)); // revocations have a resolution of one second
      writeFileSync(signed, service.token("ada", "1h"));
      const program = launch();
      await eventually(() => program.lines.includes("live"), true);
      await service.publish("fails always");
      const attempts = () => program.lines.filter((line) => line === "welcome").length;
      await eventually(() => attempts() > 2, true, TIMEOUT);
      await new Promise((resolve) => setTimeout(resolve, OBSERVED_FOR));
      assert.ok(attempts() < 15, `${attempts()} connections`);
      assert.equal(program.lines.filter((line) => line === "received fails always").length >= attempts() - 1, true);
      await program.stop();
    });
    assert.ok(stores(), "the cursor is not stored");
  }

  it("Kotlin", async (t) => {
    const sources = [join(dir.path, "Bellhop.kt"), new URL("Main.kt", import.meta.url).pathname];
    writeFileSync(sources[0], recipe("kotlin Bellhop.kt"));
    const classes = join(dir.path, "classes");
    const classpath = JARS.join(delimiter);
    const { stderr } = await run("bash", [`${KOTLIN}bin/kotlinc`, "-Werror", "-no-reflect", "-cp", classpath, "-d", classes, ...sources]);
    assert.equal(stderr, "");
    const path = [classes, `${KOTLIN}lib/kotlin-stdlib.jar`, ...JARS].join(delimiter);
    const directory = scratch();
    t.after(directory.remove);
    await testClient(t, await start(t), {
      directory: directory.path,
      fresh: ["false", "true"],
      run: (url, cursor, sign) => begin(t, "java", ["-cp", path, "MainKt", url, cursor, sign]),
      stores: () => existsSync(join(directory.path, "cursor")),
    });
  });

  it("Python", async (t) => {
    const directory = scratch();
    t.after(directory.remove);
    writeFileSync(join(directory.path, "bellhop.py"), recipe("python bellhop.py"));
    const env = { ...process.env, PYTHONPATH: directory.path, PYTHONDONTWRITEBYTECODE: "1" };
    const main = new URL("main.py", import.meta.url).pathname;
    await testClient(t, await start(t), {
      directory: directory.path,
      fresh: ["False", "True"],
      run: (url, cursor, sign) => begin(t, PYTHON, [main, url.replace("http", "ws"), cursor, sign], { env }),
      stores: () => existsSync(join(directory.path, "cursor")),
    });
  });

  // By default, it sends the service's own origin.
  it("Python's websocket-client with its defaults receives the origin to allow in the refusal", async (t) => {
    const service = await start(t);
    const port = new URL(service.origin).port;
    const connect = (token) =>
      run(PYTHON, ["-c", `import websocket; print(websocket.create_connection("ws://127.0.0.1:${port}/ws", header={"Authorization": "Bearer ${token}"}).recv())`]);
    await assert.rejects(connect(service.token("ada", "1h")), /403 Forbidden/);
    assert.match(await refusal(service, service.origin), new RegExp(`"${service.origin}" is not in BELLHOP_ALLOWED_ORIGINS`));

    const listed = new Service(bin, join(dir.path, "listed"), `http://127.0.0.1:${port}`);
    await service.stop();
    await listed.start(port);
    try {
      assert.match((await connect(listed.token("ada", "1h"))).stdout, /"event":"welcome"/);
    } finally {
      await listed.stop();
      await service.start(); // the end of the test stops it
    }
  });

  it("React Native", async (t) => {
    const directory = scratch();
    t.after(directory.remove);
    writeFileSync(join(directory.path, "bellhop.mjs"), recipe("js bellhop.js"));
    const { listen } = await import(join(directory.path, "bellhop.mjs"));
    const service = await start(t);
    let origin; // React Native would send the service's origin, which is not allowed here
    globalThis.WebSocket = class extends NodeSocket {
      constructor(url, protocols, { headers }) {
        super(url, protocols, { headers, origin });
      }
    };
    let cursor;
    let fails = 0;
    const lines = [];
    const begin = () =>
      listen({
        url: service.origin.replace("http", "ws"),
        token: async () => (fails-- > 0 ? Promise.reject(new Error("no token")) : service.token("ada", "1h")),
        load: async () => cursor,
        store: async (at) => (cursor = at),
        handle: async (event, { title = event }) => {
          lines.push(title);
          if (title === "fails always") throw new Error(title);
        },
        onClosed: (code) => lines.push(`closed ${code}`),
      });
    fails = 2;
    let stop = begin();
    await eventually(() => lines, ["welcome", "live"]);
    await service.publish("one");
    await eventually(() => lines.at(-1), "one");
    stop();
    await service.publish("meanwhile");
    lines.length = 0;
    stop = begin();
    await eventually(() => lines, ["welcome", "meanwhile", "live"]);
    assert.equal(await service.stop(), 0);
    await service.start();
    await service.publish("after the restart");
    await eventually(() => lines.includes("after the restart"), true, TIMEOUT);
    await service.publish("fails always");
    const attempts = () => lines.filter((line) => line === "welcome").length;
    await eventually(() => attempts() > 4, true, TIMEOUT);
    await new Promise((resolve) => setTimeout(resolve, OBSERVED_FOR));
    assert.ok(attempts() < 15, `${attempts()} connections`);
    stop();

    origin = service.origin;
    lines.length = 0;
    stop = begin();
    await eventually(() => lines, ["closed 403"]);
    stop();
  });

  it("a backend", async (t) => {
    const service = await start(t);
    const directory = scratch();
    t.after(directory.remove);
    writeFileSync(join(directory.path, "backend.mjs"), recipe("js backend.js", service));
    const { commented, joined, left, takesPartIn } = await import(join(directory.path, "backend.mjs"));
    const token = service.token("backend", "1h", "notify:publish", "notify:topics");
    const inbox = async (user) => (await service.ask("GET", "/inbox", undefined, service.token(user, "1h"))).items;

    assert.deepEqual(await joined(token, 7, "ada"), { added: 1, removed: 0 });
    await joined(token, 7, "grace");
    const { id } = await commented(token, { id: 1, discussion: 7, author: "grace", text: "Looks good", minor: true });
    const [received] = await inbox("ada");
    assert.equal(received.id, id);
    assert.equal(received.url, "/discussions/7#1");
    assert.deepEqual(received.actions, [{ title: "Reply", url: "/discussions/7#1-reply" }]);
    assert.equal(received.silent, true);
    assert.deepEqual(await inbox("grace"), []);
    const trace = () => service.ask("GET", `/notifications/${id}?user=ada`, undefined, token);
    await service.ask("POST", "/inbox/seen", { all: true }); // a receipt that was not recorded before
    await eventually(async () => typeof (await trace()).users[0].delivered_at, "string");

    assert.equal(await service.stop(), 0);
    const repeated = commented(token, { id: 1, discussion: 7, author: "grace", text: "Looks good", minor: true });
    await service.start();
    assert.deepEqual(await repeated, { id, duplicate: true });

    assert.deepEqual(await left(token, 7, "ada"), { added: 0, removed: 1 });
    await commented(token, { id: 2, discussion: 7, author: "grace", text: "And this?" });
    assert.deepEqual((await inbox("ada")).map((one) => one.id), [id]);
    assert.deepEqual(await takesPartIn(token, "ada", [8, 9]), { added: 2, removed: 0 });
    await assert.rejects(joined(token, 7, "a b"), /\/add\/0/);
  });

  it("the commands of the README", async (t) => {
    const [listen, admin] = await Promise.all([freePort(), freePort()]);
    const home = scratch();
    t.after(home.remove);
    copyFileSync(bin, join(home.path, "bellhop"));
    const until = (what, file) => `for _ in $(seq 300); do grep -q "${what}" ${file} && break; sleep 0.05; done`;
    const steps = blocks(readme, "sh").filter((block) => !block.includes("go run"));
    assert.equal(steps.length, 7);
    const script = steps.join("\n")
      .replace(/^go build -o bellhop .*$/m, "") // built before
      .replaceAll("http://localhost:8080", `http://127.0.0.1:${listen}`)
      .replace(/bellhop serve &/, "bellhop serve 2> log &")
      .replace(/(listen --token .*) &/, "$1 > received 2>&1 &");
    const { BELLHOP_BIN: _, ...rest } = process.env; // not a setting of the service
    const env = {
      ...rest, BELLHOP_LISTEN: `127.0.0.1:${listen}`, BELLHOP_ADMIN_LISTEN: `127.0.0.1:${admin}`,
      BELLHOP_URL: `http://127.0.0.1:${listen}`, BELLHOP_DRAIN_WINDOW: "1",
    };
    const end = "trap 'kill $(jobs -p); wait' EXIT";
    const fail = 'curl() { command curl -sS --fail-with-body "$@"; echo; }'; // ends the script
    const received = ["Grace commented", "Grace replied"].map((title) => until(title, "received"));
    const all = [end, fail, script, ...received, "cat received"].join("\n");
    const shell = begin(t, "bash", ["-eo", "pipefail", "-c", all], { cwd: home.path, env });
    const [code] = await shell.ended;
    const output = shell.lines.join("\n");
    assert.equal(code, 0, output);
    const expected = [
      '"recipients":1', "2 added, 0 removed", "\nada: ", "\ngrace: is not shown: its publisher left the user out",
      '{"added":0,"removed":0}', '{"rules":[{"type":"build.*","level":"off"}]', '"unread_count":2', '{"unread_count":0,"unseen_count":0}',
      "comment.created  Grace commented", "comment.created  Grace replied",
    ];
    for (const part of expected) assert.ok(output.includes(part), `${part} is missing in:\n${output}`);
  });
});

/** Returns the detail of the service's refusal of a handshake from this origin. */
async function refusal(service, origin) {
  const headers = { Origin: origin, Authorization: `Bearer ${service.token("ada", "1h")}` };
  const [answer] = await once(get(`${service.origin}/ws`, { headers }), "response");
  let text = "";
  for await (const chunk of answer) text += chunk;
  return JSON.parse(text).detail;
}

async function freePort() {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address();
  server.close();
  return port;
}
