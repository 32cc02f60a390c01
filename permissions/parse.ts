import type { BlockList, Layer } from "./layer.ts";
import { LayerDraft, type ParseOptions } from "./layer_draft.ts";
import { LineReader } from "./line_reader.ts";
import { readRule } from "./read_rule.ts";
import { PolicySyntaxError } from "./syntax_error.ts";
import { shown } from "./text.ts";
import { BOUNDS, isLevel, type Level, LEVELS } from "./vocabulary.ts";

/** Reads a policy text: rules, one a line; a line `and` begins another layer, which has to allow as well. */
export function parseLayers(texts: string | readonly string[], options: ParseOptions): Layer[] {
  const text = typeof texts === "string" ? texts : texts.join("\n");
  if (text.length > BOUNDS.policyChars) {
    throw new PolicySyntaxError("", 1, 1, `the policy is longer than ${BOUNDS.policyChars} characters`);
  }
  const layers: Layer[] = [];
  let draft = new LayerDraft(options);
  for (const [i, line] of text.split(/\r\n|\n|\r/).entries()) {
    const reader = new LineReader(line, i + 1);
    if (/^\s*and\s*(?:#.*)?$/.test(line)) {
      layers.push(draft.finish());
      if (layers.length >= BOUNDS.layers) reader.fail(0, `a policy has at most ${BOUNDS.layers} layers`);
      draft = new LayerDraft(options);
    } else {
      readLine(reader, draft);
    }
  }
  layers.push(draft.finish());
  return layers;
}

function readLine(reader: LineReader, draft: LayerDraft): void {
  if (reader.blank()) return;
  const directive = reader.directive();
  switch (directive) {
    case "level":
    case "blocks": {
      const word = reader.word(`a name is missing after "${directive}:"`);
      const home = reader.home();
      if (directive === "blocks") {
        if (word.text !== "paths" && word.text !== "commands") {
          reader.fail(word.at, `unknown list ${shown(word.text)}, known are paths, commands`);
        }
        draft.block(word.text as BlockList, home ?? draft.home);
      } else {
        if (!isLevel(word.text)) {
          reader.fail(word.at, `unknown level ${shown(word.text)}, known are ${LEVELS.join(", ")}`);
        }
        if (draft.hasLevel) reader.fail(word.at, "a layer has one level, begin another with a line `and`");
        draft.level(word.text as Level, home ?? draft.home);
      }
      break;
    }
    case "expires": {
      const word = reader.word("a time is missing, such as 2030-01-01T00:00:00Z");
      const time = parseTime(word.text);
      if (time === null) {
        reader.fail(word.at, `${shown(word.text)} is no time, write it as 2030-01-01T00:00:00Z`);
      }
      draft.expires = Math.min(time!, draft.expires ?? Infinity);
      break;
    }
    case "max_exec_time_ms": {
      const word = reader.word("a number of milliseconds is missing");
      if (!/^[0-9]{1,15}$/.test(word.text)) reader.fail(word.at, `${shown(word.text)} is no whole number`);
      draft.maxExecTimeMs = Math.min(Number(word.text), draft.maxExecTimeMs ?? Infinity);
      break;
    }
    default:
      if (draft.size >= BOUNDS.rules) reader.fail(0, `a layer has at most ${BOUNDS.rules} rules`);
      draft.add(readRule(reader, draft.home, draft.name));
  }
  reader.end();
}

/** Reads a time as ISO 8601 with a zone; null for anything else. */
function parseTime(text: string): number | null {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/.test(text)) {
    return null;
  }
  const time = Date.parse(text);
  return Number.isNaN(time) ? null : time;
}
