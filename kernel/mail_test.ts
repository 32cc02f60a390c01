import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { SyscallError } from "@clove/sdk/protocol";
import { Authority, Policy } from "../permissions/mod.ts";
import { VirtualClock } from "../worlds/clock.ts";
import { EventBus } from "./events.ts";
import { LIMITS } from "./limits.ts";
import { Mail } from "./mail.ts";
import { type Principal, Principals } from "./principals.ts";

function setup(): { mail: Mail; clock: VirtualClock; make: () => Principal } {
  const clock = new VirtualClock();
  const principals = new Principals();
  const make = () => principals.create("agent", { authority: new Authority(Policy.level("standard")) });
  return { mail: new Mail(clock, new EventBus(clock)), clock, make };
}

const full = (error: unknown) => error instanceof SyscallError && error.code === "limit";

Deno.test("a full mailbox refuses the next message, tells the sender, and keeps what it has", () => {
  const { mail, make } = setup();
  const [sender, receiver] = [make(), make()];
  for (let i = 0; i < LIMITS.mailboxMessages; i++) mail.send(sender, receiver, i);
  throws(() => mail.send(sender, receiver, "one more"), full);
  deepStrictEqual(mail.take(receiver, 2).map((letter) => letter.message), [0, 1]);
  mail.send(sender, receiver, "fits again");
});

Deno.test("a mailbox is bounded in bytes too", () => {
  const { mail, make } = setup();
  const [sender, receiver] = [make(), make()];
  const megabyte = "x".repeat(1024 * 1024 - 2);
  for (let i = 0; i < 16; i++) mail.send(sender, receiver, megabyte);
  throws(() => mail.send(sender, receiver, "x"), full);
  mail.take(receiver, 1);
  mail.send(sender, receiver, "x");
});

Deno.test("messages come oldest first, with their sender and age", () => {
  const { mail, clock, make } = setup();
  const [sender, receiver] = [make(), make()];
  sender.name = "ada";
  mail.send(sender, receiver, { n: 1 });
  clock.advanceSync(1500);
  const [letter] = mail.take(receiver, 10);
  strictEqual(letter!.from_name, "ada");
  strictEqual(letter!.age_ms, 1500);
  strictEqual(mail.take(receiver, 10).length, 0);
});

Deno.test("a wait ends when mail comes, when its time is up, and when it is cancelled", async () => {
  const { mail, clock, make } = setup();
  const [sender, receiver] = [make(), make()];
  const never = new AbortController();
  const first = mail.arrival(receiver, 1000, never.signal);
  mail.send(sender, receiver, 1);
  await first;
  mail.take(receiver, 1);
  const second = mail.arrival(receiver, 1000, never.signal);
  clock.advanceSync(1001);
  await second;
  const third = mail.arrival(receiver, 1000, never.signal);
  never.abort();
  await third;
  strictEqual(mail.waitingFor(receiver), 0);
});

Deno.test("mail for a principal that has gone is dropped with it", () => {
  const { mail, make } = setup();
  const [sender, receiver] = [make(), make()];
  mail.send(sender, receiver, 1);
  receiver.dispose();
  strictEqual(mail.queued, 0);
});
