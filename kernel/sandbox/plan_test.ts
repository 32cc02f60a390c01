import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { NO_LIMITS, requestFor } from "../../tests/sandbox_fixture.ts";
import { type Wall, WALLS } from "../agents/launch.ts";
import type { MachineFacts } from "./facts.ts";
import { allSteps, hostnameOf, type PlanInput, planSandbox } from "./plan.ts";
import { describeStep, type Step } from "./steps.ts";

const FACTS: MachineFacts = {
  arch: "x86_64",
  uid: 0,
  gid: 0,
  lastCapability: 40,
  landlockAbi: 6,
  pidNamespaceLimit: true,
  system: [{ path: "/usr", kind: "directory" }, { path: "/etc/localtime", kind: "file" }],
  resolver: [{ path: "/etc/resolv.conf", kind: "file" }],
  links: [{ path: "/bin", text: "usr/bin" }],
  procReadOnly: ["/proc/sys"],
  procMasked: [{ path: "/proc/keys", kind: "file" }, { path: "/proc/acpi", kind: "directory" }],
  procGuessed: false,
  devices: ["/dev/null"],
  hardLimits: { NOFILE: 2000, NPROC: null },
};

function input(more: Partial<PlanInput> = {}): PlanInput {
  return {
    request: requestFor(["/bin/true"]),
    facts: FACTS,
    walls: new Set(WALLS),
    userNamespace: false,
    cgroup: null,
    processes: null,
    handsOver: null,
    sources: new Map(),
    files: [{ source: "/run/passwd", target: "/etc/passwd" }],
    ...more,
  };
}

const without = (...walls: readonly Wall[]): ReadonlySet<Wall> => new Set(WALLS).difference(new Set(walls));
const names = (more?: Partial<PlanInput>): readonly Step["do"][] =>
  allSteps(planSandbox(input(more))).map((step) => step.do);

Deno.test("what an agent must not have goes in an order in which each step still may be taken", () => {
  const { agent } = planSandbox(input());
  const order = agent.map((step) => step.do).filter((name) => name !== "limit");
  deepStrictEqual(order, [
    "session",
    "no-new-privileges",
    "landlock",
    "become",
    "drop-capabilities",
    "enter",
    "seccomp",
    "execute",
  ]);
});

Deno.test("init is tied to the kernel before it does anything else, and the root turns after the last mount", () => {
  const init = planSandbox(input()).init.map((step) => step.do);
  deepStrictEqual(init.slice(0, 2), ["session", "die-with-kernel"]);
  const last = init.findLastIndex((name) => ["mount", "bind", "restrict", "expose"].includes(name));
  strictEqual(init.indexOf("pivot"), last + 1);
  strictEqual(init.indexOf("private-mounts") < init.indexOf("mount"), true);
});

Deno.test("each wall brings its own steps, and takes them along", () => {
  const steps: readonly (readonly [Wall, Step["do"]])[] = [
    ["mount", "pivot"],
    ["net", "loopback"],
    ["uts", "hostname"],
    ["user", "become"],
    ["caps", "drop-capabilities"],
    ["seccomp", "seccomp"],
    ["landlock", "landlock"],
  ];
  for (const [wall, step] of steps) {
    ok(names().includes(step), step);
    ok(!names({ walls: without(wall) }).includes(step), `${step} without ${wall}`);
  }
  ok(!names().includes("die-with-init"));
  ok(names({ walls: without("pid") }).includes("die-with-init"));
});

Deno.test("an ordinary user's kernel maps itself into a user namespace and changes no id", () => {
  const steps = allSteps(
    planSandbox(input({ facts: { ...FACTS, uid: 1000, gid: 1000 }, userNamespace: true })),
  );
  const clone = steps.find((step) => step.do === "clone");
  deepStrictEqual(clone?.namespaces, ["user", "pid", "mount", "net", "uts", "ipc"]);
  ok(steps.some((step) => step.do === "map-ids"));
  ok(!steps.some((step) => step.do === "become" || step.do === "own-output"));
});

Deno.test("processes are limited where a count belongs to one agent alone", () => {
  const nproc = (more: Partial<PlanInput>): Step | undefined =>
    planSandbox(input(more)).agent.find((step) => step.do === "limit" && step.resource === "NPROC");
  strictEqual(nproc({ processes: 9 }), undefined); // as root all agents share one user
  ok(names({ processes: 9 }).includes("limit-pids"));
  ok(!names({ processes: 9, facts: { ...FACTS, pidNamespaceLimit: false } }).includes("limit-pids"));
  deepStrictEqual(nproc({ processes: 9, userNamespace: true }), {
    do: "limit",
    resource: "NPROC",
    soft: 9,
    hard: 9,
  });
});

Deno.test("no limit is raised above the kernel's own", () => {
  const limit = planSandbox(input()).agent.find((step) => step.do === "limit" && step.resource === "NOFILE");
  deepStrictEqual(limit, { do: "limit", resource: "NOFILE", soft: 1024, hard: 2000 });
});

Deno.test("/tmp is not larger than the memory limit", () => {
  const request = requestFor(["/bin/true"], { limits: { ...NO_LIMITS, memory: 1024 * 1024 } });
  const steps = allSteps(planSandbox(input({ request }))).map(describeStep);
  ok(steps.some((step) => step.startsWith("mount tmpfs on /tmp (mode=1777,size=1048576,")), steps.join("\n"));
});

Deno.test("a place inside another is mounted after it, and its spot is not made on the host", () => {
  const mounts = [
    { source: "/h/in", target: "/data/in", mode: "ro" },
    { source: "/h", target: "/data", mode: "rw" },
  ] as const;
  const facts = { kind: "directory", idmap: null } as const;
  const steps = allSteps(planSandbox(input({
    request: requestFor(["/bin/true"], { mounts }),
    sources: new Map([["/h", facts], ["/h/in", facts]]),
  })));
  deepStrictEqual(steps.filter((step) => step.do === "expose").map(({ target }) => target), [
    "/data",
    "/data/in",
  ]);
  deepStrictEqual(
    steps.flatMap((step) => step.do === "directory" && step.path.startsWith("/data") ? [step.path] : []),
    ["/data"],
  );
});

Deno.test("targets that would cover a wall are refused", () => {
  for (const target of ["/", "/proc/x", "/dev", "/sys/fs", "/a/./b", "a", "/a//b", "/a/"]) {
    const request = requestFor(["/bin/true"], { mounts: [{ source: "/h", target, mode: "rw" }] });
    throws(() => planSandbox(input({ request })), /choose a plain absolute path/, target);
  }
});

Deno.test("Landlock alone shows the system and what was given, not the root", () => {
  const mounts = [{ source: "/h", target: "/data", mode: "rw" }] as const;
  const rules = (walls: ReadonlySet<Wall>): readonly string[] => {
    const plan = planSandbox(input({
      walls,
      request: requestFor(["/bin/true"], { mounts }),
      sources: new Map([["/h", { kind: "directory", idmap: null }]]),
    }));
    const step = plan.agent.find((step) => step.do === "landlock");
    return step!.rules.map(({ path, mode }) => `${mode} ${path}`);
  };
  deepStrictEqual(rules(without("mount")), [
    "ro /usr",
    "ro /etc/localtime",
    "ro /proc",
    "device /dev/null",
    "rw /h",
  ]);
  ok(rules(without()).includes("rw /data") && rules(without()).includes("list /"));
});

Deno.test("TCP is left to Landlock where a network namespace was wanted and is not there", () => {
  const refuses = (walls: ReadonlySet<Wall>, network: "none" | "host"): boolean => {
    const plan = planSandbox(input({ walls, request: requestFor(["/bin/true"], { network }) }));
    return plan.agent.find((step) => step.do === "landlock")!.refuseTcp;
  };
  strictEqual(refuses(without(), "none"), false);
  strictEqual(refuses(without("net"), "none"), true);
  strictEqual(refuses(without("net"), "host"), false);
});

Deno.test("every step can be said in words", () => {
  const plans = [
    input({ processes: 5, cgroup: "/cg/a", handsOver: { namespaces: true, listen: 80 } }),
    input({ userNamespace: true, walls: new Set() }),
  ];
  for (const step of plans.flatMap((plan) => allSteps(planSandbox(plan)))) ok(describeStep(step).length > 5);
});

Deno.test("names can be resolved on the host's network, and only there", () => {
  const binds = (network: "none" | "host"): boolean =>
    allSteps(planSandbox(input({ request: requestFor(["/bin/true"], { network }) })))
      .some((step) => step.do === "bind" && step.target === "/etc/resolv.conf");
  deepStrictEqual([binds("none"), binds("host")], [false, true]);
});

Deno.test("hostnames hold what hostnames may hold", () => {
  strictEqual(hostnameOf("a_b.c"), "clove-a-b.c");
  strictEqual(hostnameOf("x".repeat(100)).length, 64);
});
