/** Sends every message back to whoever it came from. */
import { connect } from "@clove/sdk";

await using clove = await connect();
for await (const { from, message } of clove.messages()) await clove.ipc.send({ to: from, message });
