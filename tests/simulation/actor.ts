/**
 * Somebody who uses the kernel: an operator's program, or the program of an agent.
 *
 * @module
 */
import type { Chance } from "./chance.ts";
import type { Client, Json, Outcome } from "./client.ts";
import type { LetterText } from "./mail_book.ts";
import type { World } from "./world.ts";

/** Opcodes by name, as pinned in the table of syscalls. */
export const OP = {
  noop: 0x00,
  spawn: 0x10,
  kill: 0x11,
  list: 0x12,
  pause: 0x14,
  resume: 0x15,
  wait: 0x16,
  output: 0x17,
  send: 0x20,
  recv: 0x21,
  broadcast: 0x22,
  register: 0x23,
  store: 0x30,
  fetch: 0x31,
  delete: 0x32,
  keys: 0x33,
  cas: 0x34,
  watch: 0x35,
  subscribe: 0x60,
  poll: 0x62,
  emit: 0x63,
  auditConfig: 0x77,
  hello: 0xfe,
} as const;

/** Whether a request took effect, as far as its outcome tells. */
export function effectOf(outcome: Outcome): "yes" | "no" | "unknown" {
  if (outcome.status === "gone") return "unknown";
  const { success, code } = outcome.json;
  if (success) return "yes";
  return ["unavailable", "timeout", "cancelled", "internal"].includes(code) ? "unknown" : "no";
}

/** One user, on one connection after the other. */
export class Actor {
  readonly name: string;
  readonly world: World;
  client: Client;
  /** The life of the kernel that the client talks to. */
  life: number;
  /** Letters sent on this connection. */
  letters = 0;
  /** Values written, ever. */
  values = 0;
  /** Operations that nobody waits for. */
  readonly background = new Set<Promise<void>>();

  /** @param client Is connected to the kernel that runs now. */
  constructor(name: string, world: World, client: Client) {
    this.name = name;
    this.world = world;
    this.client = client;
    this.life = world.life?.number ?? 0;
  }

  /** Chance of the whole simulation. */
  get chance(): Chance {
    return this.world.chance;
  }

  /** Sends a request and waits for what becomes of it. */
  async ask(opcode: number, params: unknown, onPart?: (json: Json) => void): Promise<Outcome> {
    const { client, world } = this;
    world.trace(`${client.label} > ${opcode} ${JSON.stringify(params)}`);
    return await client.ask(opcode, params, onPart);
  }

  /** Goes on with something without waiting for it. */
  meanwhile(work: Promise<void>): void {
    const tracked: Promise<void> = work.finally(() => this.background.delete(tracked));
    this.background.add(tracked);
  }

  /** The next letter of this connection. */
  letter(to: number): LetterText {
    return { by: this.client.label, n: ++this.letters, to };
  }

  /** Takes letters, and looks at each. */
  async receive(params: Json): Promise<number> {
    const { client, world, life } = this;
    const asked = this.ask(OP.recv, params);
    return await this.received(client, life, asked, world);
  }

  /** What a RECV that is under way brings. */
  async received(client: Client, life: number, asked: Promise<Outcome>, world: World): Promise<number> {
    const outcome = await asked;
    const mail = world.mailOf(life);
    if (!mail || client.principal === null) return 0;
    if (outcome.status === "gone") {
      mail.uncertain(client.principal);
      return 0;
    }
    const { messages = [] } = outcome.json;
    for (const { from, message } of messages) {
      // The kernel's own letters are about agents.
      if (typeof message.type === "string") continue;
      world.expect(mail.receive(client.principal, from, message));
    }
    return messages.length;
  }
}
