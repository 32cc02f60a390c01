/**
 * Agents in Python with the probes' own wire client: `ask(opcode, request)` raises `Stopped` on a refusal.
 *
 * @module
 */
import { strictEqual } from "node:assert/strict";
import type { AgentSpawnParams, AgentSpawnResult, Clove } from "@clove/sdk";
import HARNESS from "../../cli/pentest/harness.py" with { type: "text" };

/** Starts one. */
export async function startPython(
  clove: Clove,
  code: string,
  params: Partial<AgentSpawnParams> = {},
): Promise<AgentSpawnResult> {
  return await clove.agent.spawn({
    ...params,
    command: ["python3", "-c", `${HARNESS}\n\n${code}`],
    env: { ...params.env, PENTEST_FACTS: "{}" },
  });
}

/** Runs one to its end and returns what it printed, trimmed; it has to exit with status 0. */
export async function runPython(
  clove: Clove,
  code: string,
  params: Partial<AgentSpawnParams> = {},
): Promise<string> {
  const { agent_id: id } = await startPython(clove, code, params);
  const { exit_code, cause } = await clove.agent.wait({ id });
  const { stdout, stderr } = await outputOf(clove, id);
  strictEqual(exit_code, 0, `${cause}: ${stderr}`);
  return stdout;
}

/** What an agent wrote until its end, trimmed. */
export async function outputOf(clove: Clove, id: number): Promise<{ stdout: string; stderr: string }> {
  const written = { stdout: "", stderr: "" };
  for await (const { stream, text } of clove.agent.output({ id, follow: true })) written[stream] += text;
  return { stdout: written.stdout.trim(), stderr: written.stderr.trim() };
}

/** The next line it writes. */
export async function firstLine(clove: Clove, id: number): Promise<string> {
  let text = "";
  for await (const part of clove.agent.output({ id, follow: true })) {
    text += part.text ?? "";
    if (text.includes("\n")) break;
  }
  return text.slice(0, text.indexOf("\n"));
}
