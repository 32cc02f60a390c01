/** The checkout's root directory; tests may use paths, the product may not. */
import { fileURLToPath } from "node:url";

/** A `file:` URL as a path. */
export const fromFileUrl = (url: string | URL): string => fileURLToPath(url);

/** Absolute, without a trailing slash. */
export const ROOT: string = fromFileUrl(new URL("..", import.meta.url)).replace(/\/$/, "");
