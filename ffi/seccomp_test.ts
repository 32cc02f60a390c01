import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { interpret, type Verdict } from "../tests/bpf_interpreter.ts";
import type { Arch } from "./arch.ts";
import { compileFilter, type Refusal } from "./seccomp.ts";
import { type SyscallName, SYSCALLS } from "./syscall_numbers.ts";

const ARCHES = [["x86_64", 0xc000003e, 0], ["aarch64", 0xc00000b7, 1]] as const;
const EPERM: Verdict = { errno: 1 };
const ENOSYS: Verdict = { errno: 38 };

function ask(refusals: readonly Refusal[], arch: Arch, call: SyscallName, ...args: number[]): Verdict {
  const [, audit, column] = ARCHES.find(([name]) => name === arch)!;
  return interpret(compileFilter(refusals, arch), { arch: audit, number: SYSCALLS[call][column], args });
}

for (const [arch, audit] of ARCHES) {
  Deno.test(`on ${arch} a refused call is answered, every other is allowed`, () => {
    const refusals: Refusal[] = [{ call: "mount" }, { call: "clone3", errno: 38 }];
    deepStrictEqual(ask(refusals, arch, "mount"), EPERM);
    deepStrictEqual(ask(refusals, arch, "clone3"), ENOSYS);
    strictEqual(ask(refusals, arch, "read"), "allow");
  });

  Deno.test(`on ${arch} another machine's calls end the process`, () => {
    const filter = compileFilter([], arch);
    strictEqual(interpret(filter, { arch: 0x40000003, number: 0 }), "kill"); // i386
    strictEqual(interpret(filter, { arch: audit, number: 0 }), "allow");
  });

  Deno.test(`on ${arch} a call newer than the table is as if it did not exist`, () => {
    const filter = compileFilter([], arch);
    deepStrictEqual(interpret(filter, { arch: audit, number: 470 }), ENOSYS);
    strictEqual(interpret(filter, { arch: audit, number: 469 }), "allow");
  });

  Deno.test(`on ${arch} all conditions of a rule have to hold, and one rule of a call is enough`, () => {
    const refusals: Refusal[] = [
      { call: "socket", when: [{ argument: 0, isNot: 1 }, { argument: 1, mask: 0xf, is: 3 }] },
      { call: "socket", when: [{ argument: 2, hasAny: 0b110 }] },
    ];
    deepStrictEqual(ask(refusals, arch, "socket", 2, 0x80003, 0), EPERM);
    strictEqual(ask(refusals, arch, "socket", 1, 3, 0), "allow");
    strictEqual(ask(refusals, arch, "socket", 2, 2, 0b001), "allow");
    deepStrictEqual(ask(refusals, arch, "socket", 1, 2, 0b010), EPERM);
  });

  Deno.test(`on ${arch} a rule without conditions holds beside one with`, () => {
    const refusals: Refusal[] = [{ call: "ioctl", when: [{ argument: 1, is: 5 }], errno: 22 }, {
      call: "ioctl",
    }];
    deepStrictEqual(ask(refusals, arch, "ioctl", 0, 5), { errno: 22 });
    deepStrictEqual(ask(refusals, arch, "ioctl", 0, 6), EPERM);
  });
}

Deno.test("x32 calls are refused, whatever their number", () => {
  const filter = compileFilter([], "x86_64");
  deepStrictEqual(interpret(filter, { arch: 0xc000003e, number: 0x40000000 }), ENOSYS);
  deepStrictEqual(interpret(filter, { arch: 0xc000003e, number: 0x40000000 + 165 }), ENOSYS);
});

Deno.test("a condition that compares with nothing is a mistake, not a hole", () => {
  throws(
    () => compileFilter([{ call: "ioctl", when: [{ argument: 1 }] }], "x86_64"),
    /Cannot compile a condition on argument 1: it compares with nothing/,
  );
});
