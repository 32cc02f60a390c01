/** The five calls of the original, as its clients make them. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { openBench } from "./fixture.ts";

async function settled(clove: { request(opcode: number, params: unknown): Promise<unknown> }) {
  for (;;) {
    const status = await clove.request(0x74, {}) as Record<string, unknown>;
    if (status.state !== "running") return status;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

Deno.test("nothing is recorded before RECORD_START, and a second one changes only the configuration", async () => {
  await using bench = await openBench();
  const { clove } = bench;
  const before = await clove.request(0x72, {}) as Record<string, unknown>;
  deepStrictEqual([before.recording, before.active, before.entry_count, before.started_at], [
    false,
    false,
    0,
    null,
  ]);
  deepStrictEqual((await clove.request(0x71, {}) as Record<string, unknown>).success, false);
  const first = await clove.request(0x70, {}) as Record<string, unknown>;
  deepStrictEqual([first.success, first.recording, first.active], [true, true, true]);
  const second = await clove.request(0x70, { include_exec: true }) as Record<string, unknown>;
  deepStrictEqual([second.success, second.recording, second.active], [false, false, true]);
});

Deno.test("recorded calls have the original's shape, looking is left out, and they replay in a kernel of their own", async () => {
  await using bench = await openBench();
  const { clove } = bench;
  await clove.record.start({});
  await clove.state.store({ key: "a", value: 1 });
  await clove.agent.list({});
  await clove.state.fetch({ key: "a" });
  await clove.exec.run({ argv: ["true"] });
  await rejects(clove.ipc.send({ to_name: "nobody", message: 1 }));
  const stopped = await clove.record.stop({});
  deepStrictEqual([stopped.success, stopped.entries_recorded, stopped.entry_count], [true, 3, 3]);
  await clove.state.store({ key: "a", value: 2 });

  const { recording_data, entries } = await clove.record.status({ export: true, get_entries: false });
  deepStrictEqual(
    entries!.map(({ sequence_id, opcode_name, success }) => [sequence_id, opcode_name, success]),
    [
      [1, "STORE", true],
      [2, "FETCH", true],
      [3, "SEND", false],
    ],
  );
  match(entries![0]!.timestamp, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  deepStrictEqual(JSON.parse(entries![0]!.payload), { key: "a", value: 1 });

  // The Python SDK sends `recording`, the original wanted `recording_data`.
  for (const key of ["recording", "recording_data"]) {
    const started = await clove.request(0x73, { [key]: recording_data }) as Record<string, unknown>;
    deepStrictEqual([started.success, started.active, started.total_entries], [true, true, 3]);
    const done = await settled(clove);
    deepStrictEqual([done.state, done.errors, done.entries_replayed, done.entries_skipped], [
      "completed",
      [],
      3,
      0,
    ]);
    deepStrictEqual([done.progress, done.progress_percent, done.active], [1, 100, false]);
  }
  // The kernel itself was not touched.
  strictEqual((await clove.state.fetch({ key: "a" })).value, 2);
});

Deno.test("an answer that is another one is told", async () => {
  await using bench = await openBench();
  const { clove } = bench;
  const list = [
    {
      sequence_id: 1,
      agent_id: 7,
      opcode: 0x30,
      payload: '{"key":"a","value":1}',
      response: '{"success":true,"key":"a"}',
    },
    {
      sequence_id: 2,
      agent_id: 7,
      opcode: 0x31,
      payload: '{"key":"a"}',
      response: '{"success":true,"exists":true,"value":5}',
    },
    { sequence_id: 3, agent_id: 7, opcode: 0x02, payload: '{"command":"touch /tmp/never"}', response: "{}" },
  ];
  await clove.request(0x73, { recording_data: list });
  const done = await settled(clove);
  deepStrictEqual([done.entries_replayed, done.entries_skipped], [2, 1]);
  const errors = done.errors as string[];
  strictEqual(errors.length, 1);
  match(
    errors[0]!,
    /^entry 2 \(state\.fetch of agent 7\): the answer is .*"value":1.*recorded was .*"value":5/,
  );
});

Deno.test("what is no recording is refused in the original's words", async () => {
  await using bench = await openBench();
  const { clove } = bench;
  await rejects(clove.request(0x73, {}), /No recording loaded/);
  await rejects(clove.request(0x73, { recording: "[]" }), /No recording loaded/);
  await rejects(clove.request(0x73, { recording: "{" }), /Failed to import recording data/);
  await rejects(clove.request(0x73, { recording: [{ opcode: "x" }] }), /Failed to import recording data/);
  const { entries } = await clove.record.status({ get_entries: true });
  ok(entries && entries.length === 0);
});
