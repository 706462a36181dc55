import { WalrasError } from "../client-sdk/errors.ts";
import { nearestName } from "../entities/suggest.ts";
import type { BotForm } from "./bot.ts";
import { decodeEntities } from "./view.ts";

/** One control of a page's form. */
interface Control {
  readonly name: string;
  /** `text`, `radio`, `checkbox`, `hidden`, `select`, `textarea`, `submit` ... */
  readonly kind: string;
  readonly value: string;
  /** Ticked or chosen; for others: it has a value that goes along. */
  readonly isOn: boolean;
}

/**
 * What a browser would post after somebody has filled in a page's form: what is given, and what the form
 * holds already. Names may be written as in the app's definition: `maxPrice` for `max_price`.
 *
 * @throws WalrasError `no_field` if the page's form has no such field, unless `checkHtml` is false
 */
export function fillForm(html: string, given: BotForm, checkHtml: boolean): [name: string, value: string][] {
  const controls = readControls(html);
  const posted = new Map<string, string[]>();
  for (const { name, value, isOn } of controls) {
    if (isOn) posted.set(name, [...(posted.get(name) ?? []), value]);
  }
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const name = nameIn(controls, key, checkHtml);
    posted.set(
      name,
      valuesOf(
        value,
        controls.filter((control) => control.name === name),
      ),
    );
  }
  return [...posted].flatMap(([name, values]) => values.map((value): [string, string] => [name, value]));
}

/** The form's own name of a field that is given. @throws WalrasError `no_field` */
export function nameIn(controls: readonly { name: string }[], key: string, checkHtml: boolean): string {
  const names = controls.map(({ name }) => name);
  if (names.includes(key)) return key;
  const snake = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  if (names.includes(snake)) return snake;
  if (!checkHtml) return key;
  const known = [...new Set(names)];
  const meant = nearestName(key, known);
  throw new WalrasError(
    "no_field",
    `the page's form has no field ${key}.${meant === undefined ? "" : ` Did you mean ${meant}?`} It has ${known.length === 0 ? "none" : known.join(", ")}. ` +
      "A field that the page's script makes is not seen here: allow it with bot.submit(form, { checkHtml: false }).",
  );
}

/** The values to post for one that was given. @param controls those of this name */
export function valuesOf(
  value: NonNullable<BotForm[string]> | null,
  controls: readonly Pick<Control, "kind" | "value">[],
): string[] {
  if (value === null) return [""];
  if (Array.isArray(value)) return value.map(String);
  if (typeof value !== "boolean") return [String(value)];
  const [first] = controls;
  if (first?.kind === "checkbox") return value ? [first.value] : [];
  // Yes and No, as radio buttons or a list: whatever values they have.
  const words = value ? ["true", "1", "yes", "on"] : ["false", "0", "no", "off"];
  const meant = controls.find((control) => words.includes(control.value.toLowerCase()));
  return [meant?.value ?? String(value)];
}

/** The controls of `<form id="form">`, with the buttons that answer a question. No browser: tags are read one by one. */
function readControls(html: string): Control[] {
  const start = html.search(/<form\b[^>]*\bid="form"/i);
  if (start < 0) return [];
  const end = html.indexOf("</form", start);
  const form = html
    .slice(start, end < 0 ? undefined : end)
    .replace(/<!--[\s\S]*?-->/g, "")
    .replace(/<(script|style|template)\b[\s\S]*?<\/\1\s*>/gi, "");
  const controls: Control[] = [];
  for (const match of form.matchAll(/<(input|select|textarea|button)\b((?:"[^"]*"|'[^']*'|[^"'>])*)>/gi)) {
    const [whole, tag = "", attributes = ""] = match;
    const all = readAttributes(attributes);
    const name = all.get("name") ?? "";
    if (name === "" || all.has("disabled")) continue;
    const kind = kindOf(tag.toLowerCase(), all.get("type")?.toLowerCase());
    if (["button", "image", "reset", "file"].includes(kind)) continue;
    const after = form.slice(match.index + whole.length);
    const rest =
      kind === "select" || kind === "textarea" ? after.slice(0, after.search(/<\/(?:select|textarea)\s*>/i)) : "";
    if (kind === "textarea")
      controls.push({ name, kind, value: decodeEntities(rest.replace(/^\r?\n/, "")), isOn: true });
    else if (kind === "select") controls.push(...readOptions(name, rest, all.has("multiple")));
    // Goes along only if it is what the page is left by.
    else if (kind === "submit") controls.push({ name, kind, value: all.get("value") ?? "", isOn: false });
    else if (kind === "radio" || kind === "checkbox")
      controls.push({ name, kind, value: all.get("value") ?? "on", isOn: all.has("checked") });
    else controls.push({ name, kind, value: all.get("value") ?? "", isOn: true });
  }
  return controls;
}

function kindOf(tag: string, type: string | undefined): string {
  if (tag === "input") return type ?? "text";
  return tag === "button" ? (type ?? "submit") : tag;
}

/** A list's choices: without a chosen one, a browser posts the first. */
function readOptions(name: string, html: string, isMultiple: boolean): Control[] {
  const options = [...html.matchAll(/<option\b((?:"[^"]*"|'[^']*'|[^"'>])*)>([^<]*)/gi)].map(
    ([, attributes = "", label = ""]) => {
      const all = readAttributes(attributes);
      return {
        value: all.get("value") ?? decodeEntities(label).trim(),
        isOn: all.has("selected"),
        isDisabled: all.has("disabled"),
      };
    },
  );
  const hasChosen = options.some(({ isOn }) => isOn);
  const first = options.findIndex(({ isDisabled }) => !isDisabled);
  return options.map(({ value, isOn, isDisabled }, i) => ({
    name,
    kind: "select",
    value,
    isOn: !isDisabled && (isOn || (!hasChosen && !isMultiple && i === first)),
  }));
}

function readAttributes(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, name = "", double, single, bare] of text.matchAll(
    /([^\s=>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g,
  )) {
    found.set(name.toLowerCase(), decodeEntities(double ?? single ?? bare ?? ""));
  }
  return found;
}
