import nunjucks from "nunjucks";
import { AuthorError, codeOf, messageOf } from "../client-sdk/errors.ts";
import { nearestName } from "../entities/suggest.ts";
import { describe } from "../entities/values.ts";
import { FILTERS, type FilterContext } from "./template-filters.ts";
import { memberHint } from "./template-hints.ts";

/** Errors that name file and line already. */
const located = new WeakSet<object>();

/** @param line from 1 */
export function templateError(file: string, line: number, message: string, cause: unknown): AuthorError {
  const code = cause instanceof AuthorError ? codeOf(cause) : "template_error";
  const error = new AuthorError(code, `${file} line ${line}: ${message}`, { cause });
  // The template comes first in the stack: it is where an author looks.
  const below = cause instanceof Error ? (cause.stack ?? "").split("\n    at ").slice(1) : [];
  error.stack = [`${error.name}: ${error.message}`, `template (${file}:${line}:1)`, ...below].join("\n    at ");
  located.add(error);
  return error;
}

interface TemplateContext extends FilterContext {
  getVariables(): Record<string, unknown>;
}

interface TemplateFrame {
  lookup(name: string): unknown;
}

/** The functions that strictly compiled templates call. */
export class StrictEnvironment extends nunjucks.Environment {
  /** Left out of nunjucks' published types. */
  declare addTest: (name: string, test: (value: unknown) => boolean) => void;
  /** The file of a template, as errors name it. */
  fileOf: (template: string) => string = (template) => template;

  /** Why there is no such template; undefined: there is one. */
  missing: (template: string) => string | undefined = () => undefined;

  /** The name of a template that is used in another one. */
  found(name: unknown, template: string, line: number): unknown {
    const why = this.missing(String(name));
    if (why === undefined) return name;
    throw this.#error(template, line, why, new AuthorError("template_missing", why));
  }

  variable(
    context: TemplateContext,
    frame: TemplateFrame,
    name: string,
    lenient: boolean,
    called: boolean,
    template: string,
    line: number,
  ) {
    const value = frame.lookup(name) ?? context.lookup(name);
    if (value !== undefined || lenient) return called ? value : this.#plain(value, undefined, template, line);
    const known = Object.keys(context.getVariables()).filter((key) => !key.startsWith("walras_"));
    const nearest = nearestName(
      name,
      known.filter((key) => key.length > 1 && key[0] === name[0]),
    );
    const hint = Object.hasOwn(FILTERS, name)
      ? ` ${name} is a filter: {{ x|${name} }}.`
      : nearest === undefined
        ? ""
        : ` Did you mean ${nearest}?`;
    throw this.#error(
      template,
      line,
      `There is no variable ${name}.${hint} The template has: ${known.sort().join(", ")}.`,
    );
  }

  member(
    target: unknown,
    key: string | number,
    lenient: boolean,
    called: boolean,
    text: string,
    template: string,
    line: number,
  ): unknown {
    if (target === undefined || target === null) {
      if (lenient) return undefined;
      throw this.#error(template, line, `${text} cannot be read: what stands before the last part is ${target}.`);
    }
    let value: unknown;
    try {
      // -1 is the last one.
      value =
        Array.isArray(target) && typeof key === "number"
          ? target.at(key)
          : (target as Record<string | number, unknown>)[key];
    } catch (error) {
      if (lenient && codeOf(error) === "field_not_set") return undefined;
      throw this.#error(template, line, messageOf(error), error);
    }
    if (value === undefined) value = pythonMember(target, key);
    if (value === undefined && !lenient) {
      throw this.#error(template, line, `${text} is undefined.${memberHint(target, key, text)}`);
    }
    if (called) return typeof value === "function" ? value.bind(target) : value;
    return this.#plain(value, target, template, line);
  }

  /** Functions are called without brackets too, as Django's templates do: `for p in player.in_all_rounds`. */
  #plain(value: unknown, target: unknown, template: string, line: number): unknown {
    if (typeof value !== "function") return value;
    return this.#attempt(template, line, () => value.call(target));
  }

  call(
    method: unknown,
    context: TemplateContext,
    text: string,
    template: string,
    line: number,
    values: readonly unknown[],
  ): unknown {
    if (typeof method !== "function") throw this.#error(template, line, `${text} is no function that could be called.`);
    return this.#attempt(template, line, () => method.apply(context, values));
  }

  /** As in oTree's templates, what is empty counts as false: lists, objects and texts. */
  isTrue(value: unknown): boolean {
    if (Array.isArray(value)) return value.length > 0;
    if (value instanceof nunjucks.runtime.SafeString) return String(value) !== "";
    return isPlain(value) ? Object.keys(value).length > 0 : Boolean(value);
  }

  or(left: unknown, right: () => unknown): unknown {
    return this.isTrue(left) ? left : right();
  }

  and(left: unknown, right: () => unknown): unknown {
    return this.isTrue(left) ? right() : left;
  }

  /** `x in list`, and keys of objects and parts of texts. */
  contains(whole: unknown, part: unknown, text: string, template: string, line: number): boolean {
    if (Array.isArray(whole)) return whole.includes(part);
    if (typeof whole === "string" || whole instanceof nunjucks.runtime.SafeString)
      return String(whole).includes(String(part));
    if (isPlain(whole)) return Object.hasOwn(whole, String(part));
    throw this.#error(
      template,
      line,
      `Nothing can be in ${text}: it is ${describe(whole)}, and no list, object or text.`,
    );
  }

  /** What `for` goes through; of an object its keys, or with two names its keys and values. */
  list(value: unknown, names: number, text: string, template: string, line: number): unknown {
    if (value === undefined || value === null || typeof value === "string") return value;
    if (typeof value === "object" && Symbol.iterator in value) return value;
    if (isPlain(value)) return names === 1 ? Object.keys(value) : value;
    const cure = typeof value === "number" ? ` To count, write {{ for i in range(${text}) }}.` : "";
    throw this.#error(
      template,
      line,
      `${text} is no list that {{ for }} could go through, but ${describe(value)}.${cure}`,
    );
  }

  filter(context: FilterContext, name: string, template: string, line: number, values: unknown[]): unknown {
    const filter = this.filterNamed(name, template, line);
    return this.#attempt(template, line, () => filter.apply(context, values));
  }

  /** @throws AuthorError with the nearest one, if there is no such filter */
  filterNamed(name: string, template: string, line: number): (...values: unknown[]) => unknown {
    try {
      return this.getFilter(name);
    } catch (error) {
      const nearest = nearestName(name, FILTER_NAMES);
      const hint =
        nearest === undefined ? ` The usual ones are ${FILTER_NAMES.join(", ")}` : ` Did you mean ${nearest}?`;
      throw this.#error(template, line, sentence(`There is no filter ${name}.${hint}`), error);
    }
  }

  #attempt<T>(template: string, line: number, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (typeof error === "object" && error !== null && located.has(error)) throw error;
      throw this.#error(template, line, sentence(messageOf(error)), error);
    }
  }

  #error(template: string, line: number, message: string, cause?: unknown): AuthorError {
    return templateError(this.fileOf(template), line, message, cause);
  }
}

const FILTER_NAMES = "cu json escape length default to0 to1 to2 to3 to4 safe gettext linebreaks".split(" ");

function sentence(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`;
}

/** An object as `{}` makes it. */
function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** What oTree's authors ask objects for: `for key, value in data.items()`. */
function pythonMember(target: unknown, key: string | number): unknown {
  if (!isPlain(target)) return undefined;
  switch (key) {
    case "items":
      return () => Object.entries(target);
    case "keys":
      return () => Object.keys(target);
    case "values":
      return () => Object.values(target);
    default:
      return undefined;
  }
}
