/**
 * The machine as a whole, from `/proc` and `/sys`. Elsewhere than on Linux what is not known is 0.
 *
 * @module
 */
import type { Clock } from "../../worlds/clock.ts";
import { Rate } from "./rate.ts";
import { isAbsent, keyed, percentOf, readText, wholeNumber } from "./read.ts";

/** Bytes are bytes, times are milliseconds unless named otherwise; counters count since boot. */
export interface SystemMetrics {
  /** Epoch milliseconds. */
  readonly timestamp: number;
  readonly cpu: {
    /** Of all cores together, 0 to 100. */
    readonly percent: number;
    readonly per_core: readonly number[];
    readonly count: number;
    /** Of the first core; 0 when unknown. */
    readonly freq_mhz: number;
    /** Over 1, 5 and 15 minutes. */
    readonly load_avg: readonly number[];
  };
  readonly memory: {
    readonly total: number;
    readonly available: number;
    readonly used: number;
    readonly percent: number;
    readonly buffers: number;
    readonly cached: number;
  };
  readonly swap: { readonly total: number; readonly used: number; readonly free: number };
  readonly disk: DiskCounters;
  readonly network: {
    readonly bytes_sent: number;
    readonly bytes_recv: number;
    readonly packets_sent: number;
    readonly packets_recv: number;
    readonly errors_in: number;
    readonly errors_out: number;
  };
}

/** Bytes and operations. */
export interface DiskCounters {
  readonly read_bytes: number;
  readonly write_bytes: number;
  readonly read_ops: number;
  readonly write_ops: number;
}

/** Unit of sectors in `/proc/diskstats`, whatever the disk's own is. */
const SECTOR_BYTES = 512;
/** Devices that are made of others or of memory: counting them would count twice, or what is no disk. */
const NO_DISK = /^(loop|ram|zram|dm-|md|sr|fd|nbd)/;

/** Reads the machine's metrics. */
export class SystemReader {
  readonly #clock: Clock;
  readonly #busy: Rate[] = [];
  readonly #whole: Rate[] = [];
  /** For machines that do not tell the current one. */
  readonly #nominalMhz: number;

  /** Takes the first sample, so that the first answer is about the time since now. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#nominalMhz = Math.round(
      Number(/^cpu MHz\s*:\s*([\d.]+)/m.exec(readText("/proc/cpuinfo"))?.[1] ?? 0),
    );
    this.#cpu();
  }

  /** The metrics now. */
  read(): SystemMetrics {
    const memory = memoryOf(readText("/proc/meminfo"));
    return {
      timestamp: Math.floor(this.#clock.now()),
      cpu: this.#cpu(),
      ...memory,
      disk: disksOf(readText("/proc/diskstats")),
      network: networkOf(readText("/proc/net/dev")),
    };
  }

  #cpu(): SystemMetrics["cpu"] {
    const at = this.#clock.monotonic();
    const percents = cpuTimes(readText("/proc/stat")).map(({ busy, total }, index) => {
      this.#busy[index] ??= new Rate(at, busy);
      this.#whole[index] ??= new Rate(at, total);
      return percentOf(this.#busy[index]!.next(at, busy), this.#whole[index]!.next(at, total));
    });
    const current = wholeNumber(readText("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"));
    return {
      percent: percents[0] ?? 0,
      per_core: percents.slice(1),
      count: Math.max(1, percents.length - 1),
      freq_mhz: current > 0 ? Math.round(current / 1_000) : this.#nominalMhz,
      load_avg: Deno.loadavg(),
    };
  }
}

/** Clock ticks of all cores together and then of each. See proc(5), `/proc/stat`. */
export function cpuTimes(text: string): { busy: number; total: number }[] {
  const times: { busy: number; total: number }[] = [];
  for (const line of text.split("\n")) {
    if (!line.startsWith("cpu")) break;
    // user nice system idle iowait irq softirq steal; the guest columns that follow are part of user and nice.
    const ticks = line.split(/\s+/).slice(1, 9).map(Number);
    const total = ticks.reduce((sum, value) => sum + value, 0);
    times.push({ total, busy: total - (ticks[3] ?? 0) - (ticks[4] ?? 0) });
  }
  return times;
}

/** See proc(5), `/proc/meminfo`; all its numbers are KiB. */
export function memoryOf(text: string): Pick<SystemMetrics, "memory" | "swap"> {
  const values = keyed(text);
  const bytes = (key: string): number => (values.get(key) ?? 0) * 1024;
  const elsewhere = values.size === 0 ? Deno.systemMemoryInfo() : null;
  const total = elsewhere?.total ?? bytes("MemTotal");
  const available = elsewhere?.available ?? bytes("MemAvailable");
  const swap = {
    total: elsewhere?.swapTotal ?? bytes("SwapTotal"),
    free: elsewhere?.swapFree ?? bytes("SwapFree"),
  };
  const used = Math.max(0, total - available);
  return {
    memory: {
      total,
      available,
      used,
      percent: percentOf(used, total),
      buffers: elsewhere?.buffers ?? bytes("Buffers"),
      cached: elsewhere?.cached ?? bytes("Cached"),
    },
    swap: { total: swap.total, used: Math.max(0, swap.total - swap.free), free: swap.free },
  };
}

/** Sums whole disks. See the kernel's Documentation/admin-guide/iostats.rst. */
export function disksOf(text: string, isPartition: (name: string) => boolean = hasParent): DiskCounters {
  const sum = { read_bytes: 0, write_bytes: 0, read_ops: 0, write_ops: 0 };
  for (const line of text.split("\n")) {
    const fields = line.trim().split(/\s+/);
    const name = fields[2];
    if (!name || NO_DISK.test(name) || isPartition(name)) continue;
    sum.read_ops += wholeNumber(fields[3]);
    sum.read_bytes += wholeNumber(fields[5]) * SECTOR_BYTES;
    sum.write_ops += wholeNumber(fields[7]);
    sum.write_bytes += wholeNumber(fields[9]) * SECTOR_BYTES;
  }
  return sum;
}

/** Names alone do not tell (nvme0n1 is a disk, nvme0n1p1 a part of it), the directories of `/sys/block` do. */
const whole = new Map<string, boolean>();

function hasParent(name: string): boolean {
  let known = whole.get(name);
  if (known === undefined) {
    try {
      known = Deno.statSync(`/sys/block/${name.replaceAll("/", "!")}`).isDirectory;
    } catch (error) {
      if (!isAbsent(error)) throw error;
      known = false;
    }
    whole.set(name, known);
  }
  return !known;
}

/** Sums all interfaces but loopback. See proc(5), `/proc/net/dev`. */
export function networkOf(text: string): SystemMetrics["network"] {
  const sum = {
    bytes_sent: 0,
    bytes_recv: 0,
    packets_sent: 0,
    packets_recv: 0,
    errors_in: 0,
    errors_out: 0,
  };
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon < 0 || line.slice(0, colon).trim() === "lo") continue;
    const fields = line.slice(colon + 1).trim().split(/\s+/).map(Number);
    sum.bytes_recv += fields[0] ?? 0;
    sum.packets_recv += fields[1] ?? 0;
    sum.errors_in += fields[2] ?? 0;
    sum.bytes_sent += fields[8] ?? 0;
    sum.packets_sent += fields[9] ?? 0;
    sum.errors_out += fields[10] ?? 0;
  }
  return sum;
}
