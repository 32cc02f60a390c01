/** Works for a moment, then fails. */
await new Promise((resolve) => setTimeout(resolve, 50));
Deno.exit(3);
