import { match, ok, strictEqual } from "node:assert/strict";
import { NO_SANDBOX, Rig, Target, written } from "./egress_fixture.ts";

const missing = (program: string): boolean => {
  try {
    return !Deno.statSync(program).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
};

const test = (name: string, needs: string, fn: () => Promise<void>) =>
  Deno.test({ name, fn, ignore: NO_SANDBOX || missing(needs) });

/** Runs a program under rules, and gives what it wrote. */
async function run(
  rig: Rig,
  rules: readonly string[],
  spawn: object,
): Promise<{ code: number; text: string }> {
  const { agent_id } = await rig.clove.agent.spawn({ level: "sandboxed", policy: rules, ...spawn } as never);
  const agent = rig.kernel.services.agents.get(agent_id!)!;
  const { code } = await agent.finished;
  const { stdout, stderr } = written(agent);
  return { code, text: stdout + stderr };
}

test(
  "curl finds the proxy by its variables: plain, through a tunnel, and over SOCKS5",
  "/usr/bin/curl",
  async () => {
    await using target = await Target.start();
    await using rig = await Rig.start();
    const url = `http://127.0.0.1:${target.port}/`;
    const curl = (...args: string[]) => ({ command: ["/usr/bin/curl", "-sS", ...args] });
    for (const args of [[url], ["--proxytunnel", url], ["--socks5-hostname", "127.0.0.1:3128", url]]) {
      match((await run(rig, [`net:${url.slice(0, -1)}`], curl(...args))).text, /inside$/, args.join(" "));
    }
    const refused = await run(rig, ["net:example.com"], curl("https://other.example/"));
    match(refused.text, /CONNECT tunnel failed, response 403/);
  },
);

test("git fetches over HTTP through the proxy", "/usr/bin/git", async () => {
  await using target = await Target.start("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
  await using rig = await Rig.start();
  const url = `http://127.0.0.1:${target.port}`;
  const { text } = await run(rig, [`net:${url}`], { command: ["/usr/bin/git", "ls-remote", `${url}/repo`] });
  match(text, /not found/);
  match(target.heard[0]!, /^GET \/repo\/info\/refs\?service=git-upload-pack HTTP\/1\.1/);
});

test(
  "Deno's fetch goes through the proxy, and is refused by Deno itself before it where no rule is",
  Deno.execPath(),
  async () => {
    await using target = await Target.start();
    await using rig = await Rig.start();
    const url = `http://127.0.0.1:${target.port}`;
    await Deno.writeTextFile(
      `${rig.dir}/agent.ts`,
      `console.log(await (await fetch("${url}/")).text());
     console.log(await fetch("http://127.0.0.1:1024/").catch((error) => error.name));
     console.log(Deno.env.get("HTTP_PROXY"));`,
    );
    const { text } = await run(rig, [`net:${url}`], { script: `${rig.dir}/agent.ts` });
    const [body, refused, variable] = text.split("\n");
    strictEqual(body, "inside", text);
    ok(["NotCapable", "PermissionDenied"].includes(refused!), text);
    strictEqual(variable, "http://127.0.0.1:3128");
  },
);

test(
  "an agent's own servers on its own loopback are reached without the proxy",
  "/usr/bin/curl",
  async () => {
    await using rig = await Rig.start();
    const program = `import http.server, threading, urllib.request
server = http.server.HTTPServer(("127.0.0.1", 8000), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(urllib.request.urlopen("http://127.0.0.1:8000/").status, urllib.request.urlopen("http://localhost:8000/").status)`;
    const command = ["/usr/bin/python3", "-c", program];
    match((await run(rig, ["net:*"], { command })).text, /^200 200$/m);
  },
);
