// Runs a NATS server and nodes of the service that form a cluster.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { Service } from "./client.mjs";

const ROOT = new URL("../..", import.meta.url).pathname;

/** One NATS server, which keeps its address and its files when it is stopped and started. */
export class NATSServer {
  #dir;
  #port;
  #program = execFileSync("go", ["tool", "-modfile=test/tools/go.mod", "-n", "nats-server"], { cwd: ROOT, encoding: "utf8" }).trim(); // built if need be
  #process;
  #ended;

  constructor(dir) {
    this.#dir = dir;
  }

  get url() {
    return `nats://node:secret@127.0.0.1:${this.#port}`;
  }

  /** Starts the server. Nodes connect when it answers. */
  async start() {
    this.#port ??= await freePort();
    this.#process = spawn(this.#program, ["-c", this.#configure()], { stdio: "ignore" });
    this.#ended = once(this.#process, "exit");
  }

  /** Makes the running server refuse the nodes these subjects, and no others, from now on. */
  refuse(...subjects) {
    this.#configure(subjects);
    this.#process.kill("SIGHUP");
  }

  /** Writes the configuration, and returns its file. */
  #configure(refused = []) {
    const file = join(this.#dir, "nats.conf");
    const deny = JSON.stringify({ deny: refused });
    writeFileSync(file, [
      `listen: "127.0.0.1:${this.#port}"`,
      `jetstream { store_dir: "${join(this.#dir, "nats")}", sync_interval: always }`,
      `authorization { users: [{ user: node, password: secret, permissions: { publish: ${deny}, subscribe: ${deny} } }] }`,
    ].join("\n"));
    return file;
  }

  /** Ends the server as a crash does. Does nothing if it does not run. */
  async kill() {
    this.#process?.kill("SIGKILL");
    await this.#ended;
  }
}

/** Returns a node of the cluster whose journal is on a NATS server. It starts with start. */
export function clusterNode(bin, data, nats, name, env = {}) {
  const cluster = { BELLHOP_NODE: name, BELLHOP_NATS_URL: nats.url, BELLHOP_REPLICAS: "1", BELLHOP_UNSAFE_REPLICAS: "true" };
  return new Service(bin, join(data, name), "http://127.0.0.1:9", "", { ...cluster, ...env });
}

async function freePort() {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
