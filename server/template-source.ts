import { HtmlContext, type Place } from "./html-context.ts";

/** Tags that are written the same in oTree and nunjucks, only in other brackets. */
const SAME_TAGS = new Set("if elif else endif for endfor block extends set endset with endwith".split(" "));

/** A value passes this filter (see template-filters.ts) on its way to this place. */
const PLACE_FILTERS: Readonly<Record<Place, string>> = {
  html: "",
  unquoted: "|in_unquoted",
  script: "|in_script",
  handler: "|in_handler",
  "unquoted handler": "|in_handler|in_unquoted",
};

/** Next without Back, for templates that place their back_button themselves. */
const NEXT_ONLY = "walras_next_only";

const NONCE = 'nonce="{{ walras_nonce }}"';

/** A mistake in a template that shows before it is compiled. `line` counts from 1. */
export class TemplateSyntaxError extends Error {
  readonly line: number;
  constructor(message: string, line: number) {
    super(message);
    this.line = line;
  }
}

/**
 * oTree's tag spellings in the words of nunjucks, line by line the same, with each value escaped for the
 * place where it stands and the CSP nonce on script tags.
 *
 * @param folder of the template (`auction`), for include_sibling
 * @param base what a template without `extends` extends; undefined: nothing
 * @param isPage it must have a block `content`
 * @throws TemplateSyntaxError
 */
export function translateTemplate(
  source: string,
  folder: string,
  base: string | undefined,
  isPage = base !== undefined,
): string {
  const html = new HtmlContext();
  let out = "";
  let at = 0;
  let isExtended = false;
  let hasContent = false;
  const ownBack = /\{[{%]-?\s*back_button\b/.test(source);
  while (at < source.length) {
    const tag = findTag(source, at);
    out += html.read(source.slice(at, tag?.start), NONCE);
    if (tag === undefined) break;
    at = tag.end;
    if (tag.open === "{#") {
      out += lines(source.slice(tag.start, tag.end));
      continue;
    }
    const word = tagWord(tag);
    if (word === "comment" || word === "raw") {
      const end =
        findEnd(source, at, `end${word}`) ??
        fail(source, tag.start, `{{ ${word} }} is never closed by {{ end${word} }}`);
      out +=
        word === "raw"
          ? `{% raw %}${html.read(source.slice(at, end.start), "")}{% endraw %}`
          : lines(source.slice(at, end.end));
      at = end.end;
      continue;
    }
    const taken = takenName(word, tag.body);
    if (taken !== undefined) {
      fail(source, tag.start, `"${taken}" is a word of the template language. Give the variable another name`);
    }
    if (TAKES_ARGUMENTS.has(word) && isCalculated(tag.body.slice(word.length).trim())) {
      fail(
        source,
        tag.start,
        `What {{ ${word} }} is given is a value or a variable, not a calculation. Make it in varsForTemplate`,
      );
    }
    if (word === "extends") isExtended = true;
    if (word === "block" && /^block\s+content\b/.test(tag.body)) hasContent = true;
    const isNext = ownBack && tag.body === "next_button";
    if (isNext) tag.body = NEXT_ONLY;
    const written = translateTag(tag, isNext ? NEXT_ONLY : word, folder, html.place);
    out += written + lines(source.slice(tag.start, tag.end)).slice(lines(written).length);
  }
  if (base === undefined || isExtended) return out;
  if (isPage && !hasContent) {
    throw new TemplateSyntaxError(
      "has no {{ block content }} … {{ endblock }}, so that nothing of it would be seen. Put the page's HTML into one",
      1,
    );
  }
  return `{% extends ${JSON.stringify(base)} %}${out}`;
}

interface SourceTag {
  open: "{{" | "{%" | "{#";
  start: number;
  end: number;
  body: string;
  /** Dashes that eat the blanks around the tag. */
  left: string;
  right: string;
}

const CLOSERS = { "{{": "}}", "{%": "%}", "{#": "#}" } as const;

/** The next tag at or after `from`. Brackets in quotes do not close it. */
function findTag(source: string, from: number): SourceTag | undefined {
  const found = /\{[{%#]/g;
  found.lastIndex = from;
  const match = found.exec(source);
  if (match === null) return undefined;
  const open = match[0] as SourceTag["open"];
  const close = CLOSERS[open];
  let quote = "";
  for (let i = match.index + 2; i < source.length; i++) {
    const char = source[i] ?? "";
    if (quote === "" && source.startsWith(close, i)) {
      const inside = source.slice(match.index + 2, i);
      const left = inside.startsWith("-") ? "-" : "";
      const right = inside.length > 1 && inside.endsWith("-") ? "-" : "";
      const body = inside.slice(left.length, inside.length - right.length).trim();
      return { open, start: match.index, end: i + 2, body, left, right };
    }
    if (open === "{#") continue;
    if (quote === "" && /^\{[{%]/.test(source.slice(i, i + 2))) break;
    if (quote !== "") {
      if (char === "\\") i++;
      else if (char === quote || char === "\n") quote = "";
    } else if (char === '"' || char === "'") quote = char;
  }
  return fail(source, match.index, `${open} is never closed by ${close}`);
}

function findEnd(source: string, from: number, word: string): { start: number; end: number } | undefined {
  const match = new RegExp(`\\{(\\{|%)-?\\s*${word}\\s*-?[}%]\\}`).exec(source.slice(from));
  return match === null ? undefined : { start: from + match.index, end: from + match.index + match[0].length };
}

/** Begin a tag only with what belongs to it behind them; alone, or followed by an operator, they are variables. */
const NAMES_TOO: Readonly<Record<string, RegExp>> = {
  set: /^[a-z_]\w*(\s*,\s*[a-z_]\w*)*\s*(=(?!=)|$)/i,
  block: /^(\.super$|[a-z_]\w*$)/i,
  extends: /^["'a-z_(]/i,
  include: /^["'a-z_(]/i,
  include_sibling: /^["'a-z_(]/i,
  load: /^[a-z_]/i,
  static: /^["'a-z_(]/i,
  back_button: /^\d+$/,
};

/** The word that says what a tag does; empty: it is a value. */
function tagWord({ open, body }: SourceTag): string {
  const word = /^[a-z_]\w*/i.exec(body)?.[0] ?? "";
  const rest = body.slice(word.length).trim();
  // `x is None`, `x in list`, `x if y`: values all of them, whatever x is called.
  const isOperator = /^(is|in|if|and|or|not in)\b/.test(rest);
  const needed = Object.hasOwn(NAMES_TOO, word) ? NAMES_TOO[word] : undefined;
  return open === "{{" && needed !== undefined && (isOperator || !needed.test(rest)) ? "" : word;
}

/** Words that templates never read as a variable. */
const TAKEN = new Set(
  "if elif else endif for endfor endblock with endwith comment endcomment raw endraw empty loop and or not in is true false none True False None next_button chat formfields formfield formfield_errors".split(
    " ",
  ),
);

/** Whether a variable of this name could not be read in a template. */
export function isTaken(name: string): boolean {
  return TAKEN.has(name);
}

/** The name that a `for`, `set` or `with` gives and that cannot be read again. */
function takenName(word: string, body: string): string | undefined {
  const names =
    word === "for"
      ? (/^for\s+(.+?)\s+in\s/.exec(body)?.[1] ?? "").split(",")
      : word === "set"
        ? (/^set\s+([\w\s,]+?)\s*(=|$)/.exec(body)?.[1] ?? "").split(",")
        : word === "with"
          ? [...body.replace(new RegExp(STRING, "g"), '""').matchAll(/(\w+)\s*=(?!=)/g)].map(([, name = ""]) => name)
          : [];
  return names.map((name) => name.trim()).find(isTaken);
}

function translateTag(tag: SourceTag, word: string, folder: string, place: Place): string {
  const { body, left, right } = tag;
  const rest = body.slice(word.length).trim();
  const block = (text: string): string => `{%${left} ${text} ${right}%}`;
  const value = (text: string): string => `{{${left} ${text} ${right}}}`;
  switch (word) {
    case "load":
      return "";
    case "include":
    case "include_sibling": {
      const [, name = rest, variables] = new RegExp(`^(${STRING}|\\S+)\\s+with\\s+(.+)$`, "s").exec(rest) ?? [];
      const sibling = word === "include" ? "" : `${JSON.stringify(`${folder}/`)} + `;
      const include = block(`include ${sibling}${translateExpression(name)}`);
      return variables === undefined
        ? include
        : block(`with ${translateExpression(variables.replaceAll(" & ", " "))}`) + include + block("endwith");
    }
    case "static":
      if (!rest.startsWith("(")) return value(`static(${translateExpression(rest)})${PLACE_FILTERS[place]}`);
      break;
    case "formfields":
    case "formfield":
    case "formfield_errors":
      // `formfield player.age`, as it was written before oTree 5, means the field and not its value.
      if (!rest.startsWith("(")) {
        const named = rest.replace(/^(?:player|group)\.(\w+)/, '"$1"');
        return value(`${word}(${translateArguments(named)})`);
      }
      break;
    case "next_button":
    case NEXT_ONLY:
      if (body === word) return value(body);
      break;
    case "back_button":
      if (!rest.startsWith("(")) return value(rest === "" ? body : `back_button(${rest})`);
      break;
    case "chat":
      // Under a name of its own, so that a variable of an author's cannot hide it.
      if (/^($|\w+\s*=)/.test(rest)) return value(`walras_chat(${translateArguments(rest)})`);
      break;
    case "empty":
      if (rest === "") return block("else");
      break;
    case "block":
      if (rest === ".super") return value("super()");
      return block(body);
    case "endblock":
      return block("endblock");
    default:
      if (SAME_TAGS.has(word)) return block(`${word} ${translateExpression(rest)}`.trim());
  }
  if (tag.open === "{%") return block(translateExpression(body));
  const expression = translateExpression(body);
  return value(PLACE_FILTERS[place] === "" ? expression : `(${expression})${PLACE_FILTERS[place]}`);
}

/** oTree's and Django's words for loops, as nunjucks has them. */
const LOOP_WORDS: Readonly<Record<string, string>> = {
  "loop.count": "loop.index",
  "loop.index": "loop.index0",
  "loop.is_first": "loop.first",
  "loop.is_last": "loop.last",
  "forloop.counter": "loop.index",
  "forloop.counter0": "loop.index0",
  "forloop.first": "loop.first",
  "forloop.last": "loop.last",
};

const TAKES_ARGUMENTS: ReadonlySet<string> = new Set(["chat", "formfields", "formfield", "formfield_errors"]);

/** `nickname="Player " ~ n`: blanks part what such a tag is given. In brackets, anything goes. */
function isCalculated(rest: string): boolean {
  return !rest.startsWith("(") && /\s[~+*/-]\s/.test(rest.replace(new RegExp(STRING, "g"), "x"));
}

/** `"age" label="Your age"` → `"age", label="Your age"`. */
function translateArguments(rest: string): string {
  const argument = new RegExp(`(?:\\w+\\s*=\\s*)?(?:${STRING}|[^\\s,"']+)(?:\\|\\w+)*`, "g");
  return (rest.match(argument) ?? []).map(translateExpression).join(", ");
}

const STRING = /"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'/.source;
const REWRITTEN = new RegExp(
  `(${STRING})|\\|\\s*(\\w+)\\s*:\\s*(${STRING}|[\\w.]+)|\\b((?:for)?loop\\.\\w+)|([a-z_]\\w*|[\\])])((?:\\.\\w+)+)`,
  "gi",
);

/** `x|default:"y"` → `x|default("y")`, `xs.0.name` → `xs[0].name`, and the words of loops. */
function translateExpression(expression: string): string {
  return expression.replace(
    REWRITTEN,
    (all, text?: string, filter?: string, argument?: string, loop?: string, start?: string, path?: string) => {
      if (text !== undefined) return all;
      if (filter !== undefined) return `|${filter}(${translateExpression(argument ?? "")})`;
      if (loop !== undefined) return LOOP_WORDS[loop] ?? all;
      return `${start}${path?.replace(/\.(\d+)(?=\.|$)/g, "[$1]")}`;
    },
  );
}

/** The line breaks of a text and nothing else of it. */
function lines(text: string): string {
  return text.replace(/[^\n]/g, "");
}

function fail(source: string, at: number, message: string): never {
  throw new TemplateSyntaxError(message, source.slice(0, at).split("\n").length);
}
