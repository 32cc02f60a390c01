import { ok, strictEqual } from "node:assert/strict";
import { BLOCKED_COMMANDS, blockedCommand, blockedInText } from "./blocked_commands.ts";
import { execNeed, plainNeed, Policy, weigh } from "./mod.ts";

Deno.test("every blocked command is found by program and argument, also behind wrappers and shells", () => {
  const table: Record<(typeof BLOCKED_COMMANDS)[number], string[][]> = {
    "rm -rf /": [["rm", "-rf", "/"], ["/bin/rm", "-fr", "--", "//"], ["rm", "-r", "--force", "/."], [
      "rm",
      "-Rf",
      "--no-preserve-root",
      "/",
    ]],
    "rm -rf ~": [["rm", "-rf", "~"], ["rm", "-rf", "~/"], ["sh", "-c", "rm -rf $HOME"]],
    "rm -rf /*": [["rm", "-rf", "/*"], ["bash", "-lc", "cd / && rm -r -f /*"]],
    "sudo": [
      ["sudo", "ls"],
      ["/usr/bin/sudo", "ls"],
      ["env", "A=1", "sudo", "ls"],
      ["timeout", "-k", "1", "5", "sudo", "ls"],
      ["sh", "-c", 'su""do ls'],
      ["nice", "-n", "5", "nohup", "sudo"],
    ],
    "su ": [["su"], ["su", "-", "root"], ["sh", "-c", "true; su root"]],
    "chmod 777": [["chmod", "777", "/x"], ["chmod", "-R", "0777", "/x"]],
    "curl | bash": [["sh", "-c", "curl -s https://x.org | bash"], ["bash", "-c", "curl x|tee y | sh -s"]],
    "wget | bash": [["sh", "-c", "wget -qO- https://x.org | /bin/sh"]],
    "> /dev/sd": [["sh", "-c", "cat x > /dev/sda"], ["sh", "-c", "cat x >>/dev/sdb1"], ["tee", "/dev/sda"], [
      "dd",
      "of=/dev/sda",
    ]],
    "dd if=": [["dd", "if=/dev/zero", "of=x"], ["dd", "of=x", "if=/dev/zero"]],
    "mkfs": [["mkfs", "/dev/vda"], ["/sbin/mkfs.ext4", "/dev/vda"]],
    ":(){:|:&};:": [["bash", "-c", ":(){ :|:& };:"]],
    "shutdown": [["shutdown", "-h", "now"], ["sh", "-c", "echo $(shutdown now)"]],
    "reboot": [["reboot"], ["systemctl", "reboot"], ["sh", "-c", "if true; then reboot; fi"]],
    "init 0": [["init", "0"], ["telinit", "0"]],
    "poweroff": [["poweroff"], ["systemctl", "-i", "poweroff"], ["busybox", "poweroff"]],
  };
  for (const block of BLOCKED_COMMANDS) {
    for (const argv of table[block]) strictEqual(blockedCommand(argv), block, argv.join(" "));
  }
  strictEqual(blockedInText("A=1 sudo ls"), "sudo");
});

Deno.test("a harmless command that only contains the letters is not blocked", () => {
  const harmless: string[][] = [
    ["echo", "issue the reboot, su root"],
    ["grep", "sudo", "/etc/group"],
    ["cat", "sudo.txt"],
    ["git", "commit", "-m", "add if=0; sudo shutdown > /dev/sda"],
    ["rm", "-rf", "/tmp/x"],
    ["rm", "-rf", "./"],
    ["rm", "-r", "/"],
    ["rm", "-rf", "--", "-x/"],
    ["chmod", "755", "777"].slice(0, 2),
    ["curl", "-o", "bash", "https://x.org"],
    ["sh", "-c", "curl x > y; bash z"],
    ["sh", "-c", "echo 'curl x | bash' \"; sudo ls\""],
    ["sh", "-c", "make 2>&1 | tee log || echo reboot"],
    ["dd", "--help"],
    ["init", "5"],
    ["env", "ls", "sudo"],
    ["xargs", "-n", "1", "echo", "reboot"],
    ["timeout", "5", "echo", "sudo"],
    ["systemctl", "status"],
    ["ls", "/dev/sda"],
    [],
  ];
  for (const argv of harmless) strictEqual(blockedCommand(argv), null, argv.join(" "));
});

Deno.test("blocks hold over a level's rules and for shell text, and are named in the refusal", () => {
  const policy = Policy.parse(["level:standard", "exec:*", "exec.shell:*"]);
  ok(weigh(policy, execNeed(["ls", "-l"])).allowed);
  ok(weigh(policy, plainNeed("exec.shell", "ls | wc -l")).allowed);
  strictEqual(weigh(policy, plainNeed("exec.shell", "ls; sudo ls")).allowed, false);
  const verdict = weigh(policy, execNeed(["sudo", "ls"]));
  ok(!verdict.allowed);
  strictEqual(verdict.receipt.rule, 'level standard: blocks "sudo"');
});

Deno.test("nesting without end is looked into as far as it could be an accident, and costs no more", () => {
  let text = "sudo ls";
  for (let i = 0; i < 8; i++) text = `sh -c ${JSON.stringify(text)}`;
  strictEqual(blockedInText(text), null);
  strictEqual(blockedInText("( ".repeat(20_000)), null);
  strictEqual(blockedCommand(new Array(4000).fill("env")), null);
});
