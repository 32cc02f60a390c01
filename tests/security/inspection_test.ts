/** Looking into others: ptrace, their memory, their environment, signals, shared memory, keyrings. */
import { testWalls } from "./attacked.ts";

testWalls([
  "see-operator",
  "read-environment",
  "signal-operator",
  "trace-operator",
  "read-memory-operator",
  "open-memory-operator",
  "signal-sibling",
  "trace-sibling",
  "read-memory-sibling",
  "open-memory-sibling",
  "own-tracer",
  "shared-memory",
  "keyring",
]);
