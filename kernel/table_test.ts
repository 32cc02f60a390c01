import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { z } from "zod";
import { RESERVED_OPCODES } from "./families.ts";
import { TABLE } from "./table.ts";

/** Opcodes that the original's second version uses for other things. */
const FOREIGN = new Set([
  0x42,
  0x43,
  ...Array.from({ length: 10 }, (_, i) => 0xd0 + i),
  ...Array.from({ length: 16 }, (_, i) => 0xe0 + i),
  0xf1,
  0xf2,
  0xf3,
  0xf4,
]);

/** The original's opcodes and names, which its clients hold as constants. */
const ORIGINAL: Readonly<Record<string, number>> = {
  NOOP: 0x00,
  THINK: 0x01,
  EXEC: 0x02,
  READ: 0x03,
  WRITE: 0x04,
  SPAWN: 0x10,
  KILL: 0x11,
  LIST: 0x12,
  PAUSE: 0x14,
  RESUME: 0x15,
  SEND: 0x20,
  RECV: 0x21,
  BROADCAST: 0x22,
  REGISTER: 0x23,
  STORE: 0x30,
  FETCH: 0x31,
  DELETE: 0x32,
  KEYS: 0x33,
  GET_PERMS: 0x40,
  SET_PERMS: 0x41,
  HTTP: 0x50,
  SUBSCRIBE: 0x60,
  UNSUBSCRIBE: 0x61,
  POLL_EVENTS: 0x62,
  EMIT: 0x63,
  RECORD_START: 0x70,
  RECORD_STOP: 0x71,
  RECORD_STATUS: 0x72,
  REPLAY_START: 0x73,
  REPLAY_STATUS: 0x74,
  GET_AUDIT_LOG: 0x76,
  SET_AUDIT_CONFIG: 0x77,
  ASYNC_POLL: 0x80,
  WORLD_CREATE: 0xa0,
  WORLD_DESTROY: 0xa1,
  WORLD_LIST: 0xa2,
  WORLD_JOIN: 0xa3,
  WORLD_LEAVE: 0xa4,
  WORLD_EVENT: 0xa5,
  WORLD_STATE: 0xa6,
  WORLD_SNAPSHOT: 0xa7,
  WORLD_RESTORE: 0xa8,
  TUNNEL_CONNECT: 0xb0,
  TUNNEL_DISCONNECT: 0xb1,
  TUNNEL_STATUS: 0xb2,
  TUNNEL_LIST_REMOTES: 0xb3,
  TUNNEL_CONFIG: 0xb4,
  METRICS_SYSTEM: 0xc0,
  METRICS_AGENT: 0xc1,
  METRICS_ALL_AGENTS: 0xc2,
  METRICS_CGROUP: 0xc3,
  LLM_REPORT: 0xf0,
  HELLO: 0xfe,
  EXIT: 0xff,
};

Deno.test("every opcode of the original is there under its number, as a row or reserved", () => {
  const known = new Map([...TABLE.map((row) => [row.wire, row.opcode] as const)]);
  for (const [opcode, wire] of RESERVED_OPCODES) {
    ok(!known.has(wire), `${wire} is both a row and reserved`);
    known.set(wire, opcode);
  }
  for (const [wire, opcode] of Object.entries(ORIGINAL)) strictEqual(known.get(wire), opcode, wire);
});

Deno.test("names, wire names and opcodes are unique, and names are family.verb", () => {
  for (const key of ["name", "wire", "opcode"] as const) {
    const all = TABLE.map((row) => row[key]);
    deepStrictEqual(all.filter((value, i) => all.indexOf(value) !== i), []);
  }
  for (const row of TABLE) match(row.name, /^[a-z]+\.[a-z_]+$/);
});

for (const row of TABLE) {
  Deno.test(`${row.name} takes a free opcode`, () => ok(!FOREIGN.has(row.opcode)));

  Deno.test(`${row.name} describes every field of its arguments and answer`, () => {
    for (const [side, io] of [["params", "input"], ["result", "output"]] as const) {
      const schema = z.toJSONSchema(row[side], { io, unrepresentable: "any" });
      for (const [name, field] of Object.entries(schema.properties ?? {})) {
        ok(
          Object(field).description,
          `Cannot document ${row.name}: "${name}" of its ${side} has no description`,
        );
      }
    }
  });
}
