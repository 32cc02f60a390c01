/** Undoes the percent-encodings that mean nothing, and says whether what is left could be read in two ways. */
export function plainPath(path: string): { path: string; collapsed: string; ambiguous: boolean } {
  const decoded = path.replace(/%[0-9A-Fa-f]{2}/g, (code) => {
    const char = String.fromCharCode(parseInt(code.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(char) ? char : code.toUpperCase();
  });
  const collapsed: string[] = [];
  for (const name of decoded.replace(/%2F|%5C|\\/g, "/").split("/")) {
    const bare = name.split(";", 1)[0]!;
    if (bare === "..") collapsed.pop();
    else if (bare !== "" && bare !== ".") collapsed.push(bare);
  }
  const ambiguous = /%2F|%5C|%00|\\|\/\/|\/\.\.?(?:[;/]|$)/.test(decoded);
  return { path: decoded, collapsed: "/" + collapsed.join("/"), ambiguous };
}
