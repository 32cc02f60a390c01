import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { connect } from "@clove/sdk";
import { startKernel } from "../kernel/main.ts";
import { clove, command, Lines, Scratch, testKernel } from "./fixture_test.ts";

Deno.test("audit: what makes no sense is refused", async () => {
  const cases: [string[], RegExp][] = [
    [["audit", "fly"], /^clove: Cannot audit fly: choose from log, verify, config/],
    [["audit", "--category", "LUNCH"], /Cannot use --category "LUNCH": choose from SECURITY/],
    [["audit", "--since", "yesterday"], /Cannot use --since "yesterday": it is no time/],
    [["audit", "--json", "--ocsf"], /Cannot use --json with --ocsf/],
    [["audit", "config", "log_everything=true"], /Cannot set "log_everything": choose from max_entries/],
    [
      ["audit", "config", "log_ipc=yes"],
      /Cannot set "log_ipc" to "yes": write log_ipc=VALUE, with true or false/,
    ],
  ];
  const results = await Promise.all(cases.map(([args]) => clove(args)));
  for (const [i, { status, stdout, stderr }] of results.entries()) {
    deepStrictEqual([status, stdout], [2, ""], stderr);
    match(stderr, cases[i]![1]);
  }
});

Deno.test("audit: lines are found, followed, exported and configured", async () => {
  await using test = await testKernel();
  const { env } = test;
  await using client = await connect({ transport: test.kernel.connect() });
  await client.agent.spawn({ name: "worker", command: ["true"] });
  await client.agent.wait({ name: "worker" });

  const [table, json, ocsf, none] = await Promise.all([
    clove(["audit", "--agent", "worker"], { env }),
    clove(["audit", "log", "--json", "--category", "agent_lifecycle", "-n", "1"], { env }),
    clove(["audit", "--ocsf", "--event", "AGENT_SPAWNED"], { env }),
    clove(["audit", "--text", "nothing like it"], { env }),
  ]);
  match(
    table.stdout,
    /^\d{4}-\S+Z +AGENT_LIFECYCLE +AGENT_SPAWNED +worker \(\d+\) +pid=\d+ [^]*\n.* AGENT_EXITED +worker /,
  );
  const line = JSON.parse(json.stdout);
  deepStrictEqual([line.event_type, line.agent_name, line.details.exit_code], ["AGENT_EXITED", "worker", 0]);
  deepStrictEqual(JSON.parse(ocsf.stdout).type_uid, 100701);
  deepStrictEqual(none, { status: 0, stdout: "", stderr: "" });

  const child = command(["audit", "-f", "-n", "1", "--json", "--event", "AUDIT_CONFIG_CHANGED"], { env })
    .spawn();
  const lines = new Lines(child.stdout);
  // Whether it looks from here on or from before: the line comes once.
  const config = await clove(["audit", "config", "log_ipc=true", "max_entries=5000"], { env });
  match(config.stdout, /max_entries +5000\n[^]*log_ipc +true\n/);
  deepStrictEqual(JSON.parse((await lines.next())!).details.new_config, { log_ipc: true, max_entries: 5000 });
  child.kill();
  await Promise.all([lines.rest(), child.stderr.cancel(), child.status]);
});

Deno.test("audit verify: tampered is 1 and names the line, torn is 3, intact is 0, nothing to check is 2", async () => {
  await using scratch = await Scratch.make();
  const data = scratch.at("data");
  const socket = scratch.at("clove.sock");
  const missing = await clove(["audit", "verify", "--data", data]);
  strictEqual(missing.status, 2);
  match(missing.stderr, /there is no audit log/);
  {
    await using kernel = await startKernel({ socket, data, sandbox: false, onLog: () => {} });
    await using client = await connect({ transport: kernel.connect() });
    for (const max_entries of [1_000, 2_000, 3_000]) await client.audit.config({ max_entries });
    const [asked, held] = await Promise.all([
      clove(["audit", "verify"], { env: { CLOVE_SOCKET: socket } }),
      clove(["audit", "verify", "--data", data]),
    ]);
    strictEqual(asked.status, 0, asked.stderr);
    match(asked.stdout, /^INTACT +The audit log is intact: \d+ lines?, .*kernel is running\n/);
    strictEqual(held.status, 2);
    match(held.stderr, /a running kernel holds it/);
  }
  const intact = await clove(["audit", "verify"], { env: { CLOVE_DATA_DIR: data } });
  strictEqual(intact.status, 0, intact.stderr);
  match(intact.stderr, /no kernel answers at .*, reading ".*data"/);

  const torn = scratch.at("torn");
  await Deno.mkdir(torn);
  for (const name of ["clove.db", "audit.key"]) await Deno.copyFile(`${data}/${name}`, `${torn}/${name}`);
  edit(torn, "DELETE FROM audit_seals WHERE kind = 'closed'");
  const { status, stdout } = await clove(["audit", "verify", "--json", "--data", torn]);
  deepStrictEqual([status, JSON.parse(stdout).status], [3, "torn"]);

  edit(data, "UPDATE audit_lines SET details = '{}' WHERE id = 2");
  const tampered = await clove(["audit", "verify", "--data", data]);
  strictEqual(tampered.status, 1);
  match(tampered.stdout, /^TAMPERED +The audit log was tampered with: line 2 is not what was written\n/);
  ok(!tampered.stdout.includes("INTACT"));
});

function edit(data: string, sql: string): void {
  const db = new DatabaseSync(`${data}/clove.db`);
  db.exec(sql);
  db.close();
}
