import { z } from "zod";
import { success } from "../../fields.ts";
import { defineSyscall } from "../../syscall.ts";
import { systemShape } from "./shapes.ts";

/** The machine's metrics. */
export const metricsSystem = defineSyscall({
  name: "metrics.system",
  wire: "METRICS_SYSTEM",
  opcode: 0xc0,
  since: "0.1.0",
  summary: "Tells how busy the machine is.",
  params: z.object({}),
  result: z.object({
    success,
    metrics: systemShape.describe("Everything."),
    cpu_percent: z.number().describe("The same as `metrics.cpu.percent`."),
    memory_used_bytes: z.number().describe("The same as `metrics.memory.used`."),
    memory_total_bytes: z.number().describe("The same as `metrics.memory.total`."),
    memory_percent: z.number().describe("The same as `metrics.memory.percent`."),
    disk_used_bytes: z.number().describe(
      "Bytes read and written since boot, as the original's clients count.",
    ),
    network_rx_bytes: z.number().describe("The same as `metrics.network.bytes_recv`."),
    network_tx_bytes: z.number().describe("The same as `metrics.network.bytes_sent`."),
    load_average: z.array(z.number()).describe("The same as `metrics.cpu.load_avg`."),
  }),
  record: () => ({}),
  tool: false,
  handle(ctx) {
    const metrics = ctx.services.metrics.system();
    const { cpu, memory, disk, network } = metrics;
    return {
      metrics: { ...metrics, cpu: { ...cpu, per_core: [...cpu.per_core], load_avg: [...cpu.load_avg] } },
      cpu_percent: cpu.percent,
      memory_used_bytes: memory.used,
      memory_total_bytes: memory.total,
      memory_percent: memory.percent,
      disk_used_bytes: disk.read_bytes + disk.write_bytes,
      network_rx_bytes: network.bytes_recv,
      network_tx_bytes: network.bytes_sent,
      load_average: [...cpu.load_avg],
    };
  },
});
