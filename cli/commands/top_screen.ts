/**
 * How `clove top` looks: from what is known to lines of text. Touches nothing.
 *
 * @module
 */
import { fitted } from "../table.ts";
import { printable } from "../text.ts";
import type { Look, Order, Row } from "./top_model.ts";
import type { WindowSize } from "../tty.ts";

/** Everything the screen depends on. */
export interface Scene {
  readonly look: Look | null;
  readonly order: Order;
  /** The selected agent's number; null when there is none. */
  readonly selected: number | null;
  /** What was last said, or is asked. */
  readonly message: string;
  /** The agent whose output is followed, with its last lines; null shows the table. */
  readonly follow: { readonly name: string; readonly lines: readonly string[] } | null;
}

/** A line with the way it is shown. */
export interface ScreenLine {
  readonly text: string;
  readonly style: "plain" | "bold" | "selected" | "dim" | "warn";
}

interface Column {
  readonly title: string;
  readonly width: number;
  readonly right?: boolean;
  show(row: Row): string;
}

const COLUMNS: readonly Column[] = [
  { title: "ID", width: 5, right: true, show: ({ id }) => String(id) },
  // Its width is what the others leave.
  { title: "NAME", width: 0, show: ({ name }) => printable(name) },
  { title: "STATE", width: 8, show: ({ state }) => state },
  { title: "CPU%", width: 6, right: true, show: ({ cpu }) => cpu.toFixed(1) },
  {
    title: "MEM/LIMIT",
    width: 11,
    right: true,
    show: ({ memory, limit }) => `${short(memory)}/${limit === null ? "-" : short(limit)}`,
  },
  {
    title: "CALLS/S",
    width: 7,
    right: true,
    show: ({ calls }) => calls < 10 ? calls.toFixed(1) : count(calls),
  },
  { title: "DENIED", width: 6, right: true, show: ({ denied }) => count(denied) },
  {
    title: "IN/OUT",
    width: 9,
    right: true,
    show: ({ received, sent }) => `${count(received)}/${count(sent)}`,
  },
  { title: "TOKENS", width: 6, right: true, show: ({ tokens }) => count(tokens) },
];
const LEAST_NAME = 8;

/** All lines of the screen, exactly as many as it has, none longer than it is wide. */
export function drawScreen(scene: Scene, size: WindowSize): ScreenLine[] {
  const { rows, columns } = size;
  const lines = scene.follow ? followLines(scene, size) : tableLines(scene, size);
  const keys = scene.follow
    ? "l or q: back"
    : "up/down j/k: select  p: pause  r: resume  K: kill  l: output  s: order  q: quit";
  const screen = lines.slice(0, Math.max(0, rows - 2));
  while (screen.length < rows - 2) screen.push({ text: "", style: "plain" });
  screen.push({ text: scene.message, style: "warn" }, { text: keys, style: "dim" });
  return screen.slice(-rows).map(({ text, style }) => {
    // The last column stays free: some terminals begin a new line there.
    const cut = fitted(text, Math.max(0, columns - 1));
    return { text: style === "selected" ? cut : cut.trimEnd(), style };
  });
}

function tableLines({ look, order, selected }: Scene, { rows, columns }: WindowSize): ScreenLine[] {
  if (!look) return [{ text: "looking…", style: "dim" }];
  const body = Math.max(1, rows - 4);
  const at = Math.max(0, look.rows.findIndex(({ id }) => id === selected));
  // The selected row stays in sight.
  const from = Math.max(0, Math.min(at - Math.floor(body / 2), look.rows.length - body));
  return [
    { text: summary(look, order), style: "plain" },
    { text: tableText(COLUMNS.map(({ title }) => title), columns), style: "bold" },
    ...look.rows.slice(from, from + body).map((row): ScreenLine => ({
      text: tableText(COLUMNS.map(({ show }) => show(row)), columns),
      style: row.id === selected ? "selected" : row.state === "paused" ? "dim" : "plain",
    })),
    ...(look.rows.length === 0 ? [{ text: "no agents", style: "dim" } as const] : []),
  ];
}

function followLines({ follow }: Scene, { rows }: WindowSize): ScreenLine[] {
  const { name, lines } = follow!;
  return [
    { text: `output of ${printable(name)}`, style: "bold" },
    ...lines.slice(-Math.max(1, rows - 3)).map((text): ScreenLine => ({ text, style: "plain" })),
  ];
}

/** The same table once, for a pipe. */
export function plainTable(look: Look, columns = 100): string {
  const lines = [
    COLUMNS.map(({ title }) => title),
    ...look.rows.map((row) => COLUMNS.map(({ show }) => show(row))),
  ];
  return `${summary(look, "number")}\n${
    lines.map((cells) => `${tableText(cells, columns).trimEnd()}\n`).join("")
  }`;
}

function summary({ rows, machine }: Look, order: Order): string {
  const running = rows.filter(({ state }) => state === "running").length;
  const { cpu, memory, total, load } = machine;
  return `${rows.length} agent${
    rows.length === 1 ? "" : "s"
  }, ${running} running, by ${order}   machine: cpu ${cpu.toFixed(0)}%, load ${load.toFixed(2)}, memory ${
    short(memory)
  }/${short(total)}`;
}

function tableText(cells: readonly string[], columns: number): string {
  const fixed = COLUMNS.reduce((sum, { width }) => sum + width + 1, 0);
  const name = Math.max(LEAST_NAME, Math.min(40, columns - 1 - fixed));
  return COLUMNS.map(({ width, right }, i) => fitted(cells[i]!, width || name, right)).join(" ");
}

/** Bytes in at most five characters. */
function short(bytes: number): string {
  let value = bytes;
  for (const unit of ["B", "K", "M", "G"]) {
    if (value < 1000) return `${unit === "B" || value >= 10 ? Math.round(value) : value.toFixed(1)}${unit}`;
    value /= 1024;
  }
  return `${value.toFixed(1)}T`;
}

/** A number in at most four characters, or five when it is very large. */
function count(value: number): string {
  if (value < 1_000) return String(Math.round(value));
  if (value < 1_000_000) return `${(value / 1_000).toFixed(value < 10_000 ? 1 : 0)}k`;
  return `${(value / 1_000_000).toFixed(value < 10_000_000 ? 1 : 0)}M`;
}
