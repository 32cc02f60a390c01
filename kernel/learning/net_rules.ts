/**
 * Rules for what was reached over the network. Pure.
 *
 * @module
 */
import { formatNeed, type Need } from "../../permissions/mod.ts";
import { addExamples, type Seen, type SeenNeed } from "./evidence.ts";
import type { Rule } from "./rules.ts";

/** So many paths below one host are put under the directory they share. */
const PATHS = 4;

interface Target extends Seen {
  readonly origin: string;
  readonly methods: Set<string>;
  /** A pattern for paths as rules write it; empty for a connection. */
  readonly path: string;
  private: boolean;
}

/** One rule for each host and path, with its methods; many paths of a host become their common directory. */
export function netRules(seen: readonly SeenNeed[]): Rule[] {
  const targets = new Map<string, Target>();
  for (const { need, count, examples } of seen) {
    const { origin, path } = partsOf(need);
    const key = `${origin} ${path}`;
    let target = targets.get(key);
    if (target === undefined) {
      targets.set(key, target = { origin, path, methods: new Set(), private: false, count: 0, examples: [] });
    }
    // The address is asked about after the name, in a question of its own.
    if (need.url?.address === undefined) target.count += count;
    if (need.method !== undefined) target.methods.add(need.method);
    if (isPrivate(need)) target.private = true;
    addExamples(target, examples);
  }
  const byOrigin = Map.groupBy(targets.values(), ({ origin }) => origin);
  return [...byOrigin.values()].flatMap((all) => joined(all).map(ruleOf));
}

/** Origin and path as the rule that grants this need alone writes them. */
function partsOf(need: Need): { origin: string; path: string } {
  const plain = need.url === undefined
    ? need
    : { ...need, url: { ...need.url, address: undefined, tunnel: undefined } };
  const [, origin = "", rest = ""] = /^net:(\S+)(.*)$/s.exec(formatNeed({ ...plain, method: undefined })) ??
    [];
  return { origin, path: rest.trim() };
}

/** Whether the address has to be granted with a word of its own: a literal one is granted by its name. */
function isPrivate(need: Need): boolean {
  const { address, host } = need.url ?? {};
  return address !== undefined && address !== host && formatNeed(need).endsWith(" private");
}

function joined(targets: readonly Target[]): readonly Target[] {
  const withPath = targets.filter(({ path }) => path !== "");
  const rest = targets.filter(({ path }) => path === "");
  if (withPath.length < PATHS || withPath.some(({ path }) => path.startsWith('"'))) return targets;
  const [first] = withPath;
  const all: Target = {
    ...first!,
    path: sharedDirectory(withPath),
    methods: new Set(),
    count: 0,
    examples: [],
  };
  for (const target of withPath) {
    all.count += target.count;
    all.private ||= target.private;
    for (const method of target.methods) all.methods.add(method);
    addExamples(all, target.examples);
  }
  return [all, ...rest];
}

function sharedDirectory(targets: readonly Target[]): string {
  let names = targets[0]!.path.split("/").slice(0, -1);
  for (const { path } of targets) {
    const others = path.split("/").slice(0, -1);
    const end = names.findIndex((name, i) => others[i] !== name);
    if (end >= 0) names = names.slice(0, end);
  }
  return `${names.join("/")}/**`;
}

function ruleOf({ origin, methods, path, count, examples, ...target }: Target): Rule {
  const words = [
    origin,
    ...(methods.size > 0 ? [[...methods].sort().join(",")] : []),
    ...(path === "" ? [] : [path]),
    ...(target.private ? ["private"] : []),
  ];
  return { rule: `net:${words.join(" ")}`, count, examples };
}
