/**
 * The machine code that walks a syscall program. Its assembly stands beside, in `vm_x64.S` and `vm_arm64.S`, and
 * `loop_test.ts` assembles that and compares it with these bytes.
 *
 * @module
 */
import type { Arch } from "./arch.ts";

const HEX: Readonly<Record<Arch, string>> = {
  x86_64: "bb00104100488b03488b7b08488b7310488b53184c8b53204c8b43284c8b4b300f05488b4b38" +
    "488901488d53584885c0780e488d5350483b43407404488d5348488b1aebc0",
  aarch64: "090082522908a072280140a9210941a9231142a9252943a9010000d4400100f92b3144a92d3945a9" +
    "1f000beba9018c9a1f0000f1c9b1899af4ffff17",
};

/** The loop's bytes for a machine. */
export function loopCode(arch: Arch): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(HEX[arch]);
}
