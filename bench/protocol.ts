/**
 * How fast the kernel answers, as ratios to a raw `Deno.listen` echo measured in the same run.
 *
 * @module
 */
import { type Load, load, paired, PAYLOAD_64 } from "./lib/load.ts";
import { report } from "./lib/report.ts";
import { residentMiB, startEcho, startKernelProcess } from "./lib/servers.ts";

const STORE = 0x30;
const FETCH = 0x31;
const EXEC = 0x02;

/** Client and server on one CPU: between two idle CPUs the wake-up hides everything else. */
const CPU = 0;

async function pingPong(): Promise<void> {
  await using echo = await startEcho(CPU);
  await using kernel = await startKernelProcess(CPU);
  const base = { requests: 40_000, cpu: CPU } as const;
  await load({ ...base, socket: kernel.socket });
  await load({
    ...base,
    socket: kernel.socket,
    opcode: STORE,
    payload: '{"key":"k%d","value":"v"}',
    requests: 2000,
  });
  const raw: Load = { ...base, socket: echo.socket };
  const noop = await paired({ ...base, socket: kernel.socket }, raw, "p50");
  report("NOOP 64 B, one at a time", noop, { limit: "<= 1.2", unit: "us p50" });
  const fetchLoad = {
    ...base,
    socket: kernel.socket,
    opcode: FETCH,
    payload: '{"key":"k7","padding":"0123456789012345678901234567890123"}',
  };
  report("FETCH, one at a time", await paired(fetchLoad, raw, "p50"), { limit: "<= 1.6", unit: "us p50" });
}

async function throughput(): Promise<void> {
  await using echo = await startEcho();
  await using kernel = await startKernelProcess();
  const deep = { requests: 640_000, depth: 64 } as const;
  await load({ ...deep, socket: kernel.socket });
  const pipelined = await paired(
    { ...deep, socket: kernel.socket },
    { ...deep, socket: echo.socket },
    "rate",
  );
  report("NOOP 64 B, 64 deep", pipelined, { limit: ">= 0.3 or 1,000,000/s", unit: "/s" });
  const wide = { requests: 160_000, clients: 16 } as const;
  const clients = await paired({ ...wide, socket: kernel.socket }, { ...wide, socket: echo.socket }, "rate");
  report("NOOP 64 B, 16 clients", clients, { limit: ">= 0.8", unit: "/s" });
  const store = {
    requests: 100_000,
    clients: 16,
    socket: kernel.socket,
    opcode: STORE,
    payload: '{"key":"k%d","value":{"n":1}}',
  };
  await load({ ...store, requests: 20_000 });
  const stored = await load(store);
  report("STORE, durable, 16 clients", { a: stored }, { limit: ">= 25,000/s", unit: "/s" });
}

async function undisturbed(): Promise<void> {
  await using kernel = await startKernelProcess();
  const quiet = { requests: 60_000, socket: kernel.socket } as const;
  await load(quiet);
  const ratios: number[] = [];
  for (let i = 0; i < 5; i++) {
    const alone = await load(quiet);
    const sleeping = load({
      socket: kernel.socket,
      opcode: EXEC,
      payload: '{"argv":["sleep","2"],"async":false}',
      requests: 1,
    });
    const beside = await load(quiet);
    await sleeping;
    ratios.push(beside.p99 / alone.p99);
  }
  ratios.sort((a, b) => a - b);
  report("NOOP p99 while another client runs sleep", { ratio: ratios[2]! }, { limit: "<= 1.2", unit: "" });
}

/** Longer than the kernel has to be idle before it gives memory back. */
const IDLE_MS = 3000;

async function memory(): Promise<void> {
  await using kernel = await startKernelProcess();
  const idle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  await idle();
  const started = await residentMiB(kernel.pid);
  report("resident after the start", { value: started }, { limit: "<= 70", unit: "MiB" });
  await load({ socket: kernel.socket, requests: 100_000, clients: 200, payload: PAYLOAD_64 });
  const working = await residentMiB(kernel.pid);
  report("resident at the end of 100,000 requests on 200 connections", { value: working }, {
    limit: "<= 120",
    unit: "MiB",
  });
  await idle();
  const resident = await residentMiB(kernel.pid);
  report("resident 3 s after 100,000 requests on 200 connections", { value: resident }, {
    limit: "<= 70",
    unit: "MiB",
  });
}

/** Every figure of this file. */
export async function protocol(): Promise<void> {
  await pingPong();
  await throughput();
  await undisturbed();
  await memory();
}
