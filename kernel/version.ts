import config from "../deno.json" with { type: "json" };

/** The version of this kernel, as published. */
export const VERSION: string = config.version;
