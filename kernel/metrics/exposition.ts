/**
 * The text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4).
 *
 * @module
 */
import { BUCKETS, type Histogram } from "./calls.ts";

/** Labels of one sample. */
export type Labels = Readonly<Record<string, string>>;

/** Collects families of samples and writes them. */
export class Exposition {
  #text = "";

  /** One family of plain samples. */
  family(
    name: string,
    type: "counter" | "gauge",
    help: string,
    samples: Iterable<readonly [labels: Labels, value: number]>,
  ): void {
    this.#head(name, type, help);
    for (const [labels, value] of samples) this.#text += `${name}${written(labels)} ${number(value)}\n`;
  }

  /** A family of one sample without labels. */
  single(name: string, type: "counter" | "gauge", help: string, value: number): void {
    this.family(name, type, help, [[{}, value]]);
  }

  /** One family of histograms. */
  histograms(
    name: string,
    help: string,
    samples: Iterable<readonly [labels: Labels, histogram: Histogram]>,
  ): void {
    this.#head(name, "histogram", help);
    for (const [labels, { counts, sum, count }] of samples) {
      let below = 0;
      for (const [at, bound] of BUCKETS.entries()) {
        below += counts[at]!;
        this.#text += `${name}_bucket${written({ ...labels, le: String(bound) })} ${below}\n`;
      }
      this.#text += `${name}_bucket${written({ ...labels, le: "+Inf" })} ${count}\n`;
      this.#text += `${name}_sum${written(labels)} ${number(sum)}\n${name}_count${
        written(labels)
      } ${count}\n`;
    }
  }

  /** Everything so far. */
  toString(): string {
    return this.#text;
  }

  #head(name: string, type: string, help: string): void {
    this.#text += `# HELP ${name} ${
      help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
    }\n# TYPE ${name} ${type}\n`;
  }
}

function written(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => {
    return `${name}="${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
  });
  return pairs.length > 0 ? `{${pairs.join(",")}}` : "";
}

function number(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return Number.isFinite(value) ? String(value) : value > 0 ? "+Inf" : "-Inf";
}
