/**
 * The smallest policy for what a run was seen to use. Pure, but for the look at which directories there are.
 *
 * @module
 */
import { covers, execNeed, fileNeed, formatNeed, type Need, Policy, weigh } from "../../permissions/mod.ts";
import { isWithin } from "../../worlds/view.ts";
import { INSIDE } from "../agents/places.ts";
import { addExamples, type Evidence, type SeenFile, type SeenNeed } from "./evidence.ts";
import { netRules } from "./net_rules.ts";
import { gather, SIBLINGS, type UsedPath } from "./paths.ts";

/** One rule, with what speaks for it. */
export interface Rule {
  /** In policy syntax. */
  readonly rule: string;
  /** How often it was used. */
  readonly count: number;
  /** A few of the uses, in words. */
  readonly examples: readonly string[];
}

/** What a policy is made of, beside the evidence. */
export interface RunFacts {
  /** Where paths may be generalised: directories that were given, as the agent sees them. */
  readonly roots: readonly string[];
  /** The directory of the script, which a Deno agent may read once it may read its work directory; null for none. */
  readonly project: string | null;
}

/** The system can be told so many file rules at a launch; with more, directories are taken whole sooner. */
const MOST_FILE_RULES = 40;
/** So many ways to call a program are listed; then the program alone is. */
const MOST_COMMANDS = 3;
/** So many names with the same beginning become that beginning. */
const MOST_NAMES = 8;

/** Makes the rules, sorted by their text. */
export function rulesFor(evidence: Evidence, facts: RunFacts): Rule[] {
  const needs = [...evidence.needs];
  const of = (capability: string): SeenNeed[] => needs.filter(({ need }) => need.capability === capability);
  const rules = [
    ...pathRules(evidence, facts),
    ...execRules(evidence, of("exec")),
    ...netRules(of("net")),
    ...spawnRules(of("spawn")),
    ...thinkRules(of("think")),
    ...nameRules(needs.filter(({ need }) => !OTHERS.has(need.capability))),
  ];
  return withoutCovered(rules).sort((a, b) => a.rule < b.rule ? -1 : 1);
}

const OTHERS: ReadonlySet<string> = new Set(["exec", "net", "spawn", "think"]);

// ---- files

function pathRules(evidence: Evidence, facts: RunFacts): Rule[] {
  for (let siblings = SIBLINGS;; siblings--) {
    const rules = pathRulesBy(evidence, facts, siblings);
    if (rules.length <= MOST_FILE_RULES || siblings <= 2) return rules;
  }
}

function pathRulesBy(evidence: Evidence, { roots, project }: RunFacts, siblings: number): Rule[] {
  const files = [...evidence.files].map(inTemporary);
  const reads = gather(files.filter(({ use }) => use === "read"), roots, siblings);
  const lists = files.filter(({ use, path }) => use === "list" && !isHeld(path, reads));
  const writes = gather(files.filter(({ use }) => use === "write"), roots, siblings);
  const used = [...reads, ...lists, ...writes];
  const runs = files.filter(({ use }) => use === "run");
  // What is only looked at needs no right, but where nothing else shows it, it would not be there.
  const looks = gather(
    files.filter(({ use, path }) =>
      use === "see" && !ALWAYS.some((own) => isWithin(path, own)) &&
      ![...used, ...runs].some((other) => isWithin(other.path, path) || isHeld(path, [other]))
    ),
    roots,
    siblings,
  ).filter(({ path }, _, all) => !all.some((other) => other.path !== path && isWithin(other.path, path)));
  const rules = [
    ...[...reads, ...lists, ...looks].map((place) => fileRule("fs.read", place)),
    ...writes.map((place) => fileRule("fs.write", place)),
  ];
  const policy = Policy.parse(rules.map(({ rule }) => rule));
  const ownProject = project !== null && weigh(policy, fileNeed("fs.read", INSIDE.work)).allowed;
  return rules.filter(({ rule }) => !(ownProject && isRuleWithin(rule, project!)));
}

/** Programs make up new names there with every run. */
function inTemporary(file: SeenFile): SeenFile {
  if (file.use === "see" || !isWithin(file.path, INSIDE.tmp)) return file;
  return { ...file, use: file.use === "list" ? "read" : file.use, path: INSIDE.tmp, below: true };
}

/** Always there, whatever the rules. */
const ALWAYS: readonly string[] = [INSIDE.work, INSIDE.tmp];

function isHeld(
  path: string,
  places: readonly { readonly path: string; readonly below?: boolean }[],
): boolean {
  return places.some((place) => place.path === path || (place.below && isWithin(path, place.path)));
}

function isRuleWithin(rule: string, project: string): boolean {
  return covers(
    Policy.parse([fileRule("fs.read", { path: project, below: true, count: 0, examples: [] }).rule]),
    rule,
  );
}

function fileRule(capability: "fs.read" | "fs.write", { path, below, count, examples }: UsedPath): Rule {
  const text = formatNeed(fileNeed(capability, path));
  if (!below) return { rule: text, count, examples };
  const slash = path === "/" ? "**" : "/";
  return { rule: text.endsWith('"') ? `${text.slice(0, -1)}${slash}"` : text + slash, count, examples };
}

// ---- programs

function execRules(evidence: Evidence, needs: readonly SeenNeed[]): Rule[] {
  const byProgram = Map.groupBy(needs, ({ need }) => need.argv?.[0] ?? "");
  const rules = [...byProgram].flatMap(([program, ways]) => {
    const open = ways.some(({ need }) => need.open) || ways.length > MOST_COMMANDS;
    return open ? [sumOf(formatNeed(execNeed([program])), ways)] : ways.map(asItIs);
  });
  for (const { use, path, count, examples } of evidence.files) {
    if (use === "run") rules.push({ rule: formatNeed(execNeed([path])), count, examples });
  }
  return rules;
}

// ---- the rest

function spawnRules(needs: readonly SeenNeed[]): Rule[] {
  return [...Map.groupBy(needs, ({ need }) => need.target)].map(([, ways]) => {
    const most = (word: "count" | "depth") =>
      Math.max(...ways.map(({ need }) => need.offspring?.[word] ?? 1));
    const need: Need = { ...ways[0]!.need, offspring: { count: most("count"), depth: most("depth") } };
    return sumOf(formatNeed(need), ways);
  });
}

function thinkRules(needs: readonly SeenNeed[]): Rule[] {
  return [...Map.groupBy(needs, ({ need }) => need.target)].map(([, ways]) => {
    const calls = ways.reduce((sum, { count }) => sum + count, 0);
    return sumOf(formatNeed({ ...ways[0]!.need, amount: { calls } }), ways);
  });
}

/** Rights that are names: listed, or put together where many begin alike. */
function nameRules(needs: readonly SeenNeed[]): Rule[] {
  const groups = Map.groupBy(needs, ({ need }) => `${need.capability} ${beginningOf(need.target)}`);
  return [...groups.values()].flatMap((ways) => {
    const [{ need }] = ways as [SeenNeed];
    const beginning = beginningOf(need.target);
    if (ways.length < MOST_NAMES || beginning === "" || !/^[\w:./-]+$/.test(beginning)) {
      return ways.map(asItIs);
    }
    return [sumOf(`${need.capability}:${beginning}*`, ways)];
  });
}

/** Up to the last mark that programs put between the parts of a name. */
function beginningOf(name: string): string {
  return /^(.*[:./_-])[^:./_-]*$/s.exec(name)?.[1] ?? "";
}

function asItIs({ need, count, examples }: SeenNeed): Rule {
  return { rule: formatNeed(need), count, examples };
}

function sumOf(rule: string, ways: readonly SeenNeed[]): Rule {
  const seen = { count: 0, examples: [] as string[] };
  for (const { count, examples } of ways) {
    seen.count += count;
    addExamples(seen, examples);
  }
  return { rule, ...seen };
}

/** Leaves out what another rule allows anyway, and says so in that one's count. */
function withoutCovered(rules: readonly Rule[]): Rule[] {
  const kept: { rule: string; count: number; examples: string[]; policy: Policy }[] = [];
  // Wider rules are shorter, or the same in other words.
  for (const { rule, count, examples } of rules.toSorted((a, b) => a.rule.length - b.rule.length)) {
    const wider = kept.find(({ policy }) => covers(policy, rule));
    if (wider === undefined) {
      kept.push({ rule, count, examples: [...examples], policy: Policy.parse([rule]) });
      continue;
    }
    wider.count += count;
    addExamples(wider, examples);
  }
  return kept.map(({ rule, count, examples }) => ({ rule, count, examples }));
}
