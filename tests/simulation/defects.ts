/**
 * Faults that a kernel could have, put between the parts of one that has not: to see that the checks find
 * them.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import type { Answer, Request } from "../../kernel/dispatch.ts";
import type { Defect } from "./world.ts";

/** Writes are acknowledged when they have run, before they are committed and synced. */
export const earlyAcknowledgement: Defect = {
  storage: (storage) => ({
    db: storage.db,
    path: storage.path,
    migrate: (service, steps) => storage.migrate(service, steps),
    write: (run) => storage.write(run),
    transact: <T>(run: (db: DatabaseSync) => T, undo?: () => void) =>
      new Promise<T>((resolve, reject) => {
        const ran = (db: DatabaseSync): T => {
          const value = run(db);
          resolve(value);
          return value;
        };
        storage.transact(ran, undo).catch(reject);
      }),
    flush: () => storage.flush(),
    committed: () => Promise.resolve(),
    close: () => storage.close(),
  }),
};

/** Now and then a letter is taken, and stays. */
export const mailTwice: Defect = {
  kernel({ services: { mail } }, chance) {
    const take = mail.take.bind(mail);
    let kept: ReturnType<typeof take> = [];
    mail.take = (owner, max) => {
      const letters = take(owner, max);
      const again = kept.filter(({ message }) => (message as { to?: number }).to === owner.id);
      kept = chance.may(0.05) ? letters : [];
      return [...letters, ...again];
    };
  },
};

/** Now and then two letters change their places. */
export const mailReordered: Defect = {
  kernel({ services: { mail } }, chance) {
    const take = mail.take.bind(mail);
    mail.take = (owner, max) => {
      const letters = take(owner, max);
      return chance.may(0.1) ? letters.reverse() : letters;
    };
  },
};

/** Now and then two answers to the same kind of question go to each other's askers. */
export const answersSwapped: Defect = {
  kernel({ dispatcher, services: { clock } }, chance) {
    const run = dispatcher.run.bind(dispatcher);
    let held: { opcode: number; answer: Answer; send: (answer: Answer) => void } | null = null;
    dispatcher.run = (request: Request) => {
      const answer = run(request);
      if (answer instanceof Promise) return answer;
      const { opcode } = request;
      if (held?.opcode === opcode) {
        const other = held;
        held = null;
        other.send(answer);
        return other.answer;
      }
      if (held || !chance.may(0.05)) return answer;
      return new Promise<Answer>((send) => {
        const mine = held = { opcode, answer, send };
        clock.timer(100, () => {
          if (held === mine) held = null;
          send(answer);
        });
      });
    };
  },
};

/** A mailbox takes whatever comes. */
export const mailboxUnbounded: Defect = {
  kernel({ services: { mail } }) {
    const send = mail.send.bind(mail);
    const waiting = mail.take.bind(mail);
    mail.send = (from, to, message) => {
      try {
        send(from, to, message);
      } catch {
        // Full: the oldest letter makes room, and its sender was told that it would be delivered.
        waiting(to, 1);
        send(from, to, message);
      }
    };
  },
};
