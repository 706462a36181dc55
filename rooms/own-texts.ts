import { AuthorError } from "../client-sdk/errors.ts";
import { checkKeys } from "../entities/suggest.ts";
import { describe } from "../entities/values.ts";
import { languageTag, type OwnTexts } from "./languages.ts";
import { EN } from "./texts/en.ts";

/** A plural form's ending, as i18next names them. */
const PLURAL = /_(zero|one|two|few|many|other)$/;
/** Texts that may say how many: `{count}`. */
const COUNTED = new Set(["waitBody", "playersHere", "participantsHere", "stillToCome", "peopleWaiting"]);

/**
 * The `texts` of walras.config, checked: a text under a name that nobody uses, or with a place that is
 * never filled, would only be seen by participants.
 *
 * @throws AuthorError `wrong_config` or `unknown_option`
 */
export function checkOwnTexts(texts: unknown): OwnTexts {
  if (texts === undefined) return {};
  requireObject(texts, "texts", 'give it texts by language, e.g. { en: { next: "Continue" } }');
  const known = Object.keys(EN).filter((name) => !PLURAL.test(name));
  for (const [code, pack] of Object.entries(texts)) {
    const where = `texts.${code}`;
    if (languageTag(code) === undefined) {
      throw wrong(where, code, 'name each language as HTML does, e.g. "de" or "pt-BR"');
    }
    requireObject(pack, where, 'give it texts by name, e.g. { next: "Continue" }');
    const plain = Object.keys(pack).map((name) => [name.replace(PLURAL, ""), true]);
    checkKeys(Object.fromEntries(plain), known, `walras.config: ${where}`);
    for (const [name, text] of Object.entries(pack)) checkText(text, name, `${where}.${name}`);
  }
  return texts as OwnTexts;
}

function checkText(text: unknown, name: string, where: string): void {
  if (typeof text !== "string") throw wrong(where, text, "give it a string");
  const base = name.replace(PLURAL, "");
  const places = placesOf(EN[base as keyof typeof EN]);
  if (COUNTED.has(base)) places.add("count");
  const unknown = [...placesOf(text)].find((place) => !places.has(place));
  if (unknown === undefined) return;
  const cure =
    places.size === 0 ? "this text has no values" : `its values are ${[...places].map((p) => `{${p}}`).join(", ")}`;
  throw wrong(where, text, `{${unknown}} stands for nothing: ${cure}`);
}

/** Names in braces. */
export function placesOf(text: string): Set<string> {
  return new Set([...text.matchAll(/\{(\w+)\}/g)].flatMap(([, name]) => name ?? []));
}

function requireObject(value: unknown, where: string, cure: string): asserts value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(where, value, cure);
}

function wrong(where: string, value: unknown, cure: string): AuthorError {
  return new AuthorError("wrong_config", `walras.config: ${where} is ${describe(value)}; ${cure}.`);
}
