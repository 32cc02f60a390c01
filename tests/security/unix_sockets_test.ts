/** Unix sockets: open ones, abstract ones, other agents', and descriptors sent along. */
import { ok, strictEqual } from "node:assert/strict";
import { connect } from "@clove/sdk";
import { IS_ROOT, kernelWithout, NO_WALLS, testWalls } from "./attacked.ts";
import { firstLine, runPython, startPython } from "./python_agent.ts";

testWalls(["open-unix-socket", "abstract-socket"]);

const reach = (path: string): string => `
try: print(ask(0xFE, {}, Kernel(${JSON.stringify(path)}))["agent_id"])
except OSError as error: print(errno.errorcode[error.errno])`;

Deno.test({
  name: "another agent's socket cannot be found, and where it can it does not make anybody that agent",
  ignore: NO_WALLS,
  async fn() {
    for (const without of [[], IS_ROOT ? ["mount", "landlock"] as const : ["user", "landlock"] as const]) {
      await using attacked = await kernelWithout(without);
      await using clove = await connect({ path: attacked.socket });
      const { agent_id: victim } = await startPython(clove, "time.sleep(60)", { name: "victim" });
      const path = `${attacked.kernel.services.info.runDir}/agents/${victim}/clove.sock`;
      const told = await runPython(clove, reach(path), { name: "attacker" });
      if (without.length === 0) strictEqual(told, "ENOENT");
      // Found, because the wall is gone; it answers, and takes the caller for itself.
      else ok(/^\d+$/.test(told) && Number(told) !== victim, `taken for ${told}, the victim is ${victim}`);
    }
  },
});

Deno.test({
  name: "descriptors that are sent along with a request do not pile up in the kernel",
  ignore: NO_WALLS,
  async fn() {
    await using attacked = await kernelWithout([]);
    await using clove = await connect({ path: attacked.socket });
    const code = `
kernel = Kernel(os.environ["CLOVE_SOCKET"])
request = struct.pack("<IIBQ", 0x41474E54, 0, 0xFE, 2) + b"{}"
for _ in range(100):
    socket.send_fds(kernel.socket, [request], [0, 1, 2])
    kernel.read(struct.unpack("<IIBQ", kernel.read(17))[3])
print("sent", flush=True)
time.sleep(60)`;
    const { agent_id: id } = await startPython(clove, code);
    strictEqual(await firstLine(clove, id), "sent");
    const sent = countDescriptors();
    await clove.agent.kill({ id, grace_ms: 0 });
    ok(sent < before() + 100, `the kernel holds ${sent} descriptors`);
    // So many would be seen.
    using _held = holdDescriptors(200);
    ok(countDescriptors() > before() + 100);
  },
});

let known = 0;
function before(): number {
  return known ||= countDescriptors();
}

function countDescriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

function holdDescriptors(count: number): Disposable {
  const files = Array.from({ length: count }, () => Deno.openSync("/dev/null"));
  return { [Symbol.dispose]: () => files.forEach((file) => file.close()) };
}
