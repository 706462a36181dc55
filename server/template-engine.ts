import { readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import type nunjucks from "nunjucks";
import parser from "nunjucks/src/parser.js";
import transformer from "nunjucks/src/transformer.js";
import { AuthorError, messageOf } from "../client-sdk/errors.ts";
import { StrictCompiler, WITH } from "./template-compiler.ts";
import { StrictEnvironment, templateError } from "./template-environment.ts";
import { FILTERS } from "./template-filters.ts";
import { TemplateSyntaxError, translateTemplate } from "./template-source.ts";

/** Built-in templates, named `walras/…`. */
const VIEWS = join(import.meta.dirname, "views");

/** An app's own base, `apps/<app>/_base.html`, which its pages extend by themselves; it extends the one below. */
const APP_BASE = "_base.html";
/** The base that a page extends by itself; a project may have its own in `_templates/global/Page.html`. */
const PAGE_BASE = "global/Page.html";
const PAGE_BASE_NAMES = new Set([PAGE_BASE, "otree/Page.html", "walras/Page.html"]);
/** The template of wait pages that have none of their own; a project may have it in `_templates/global/WaitPage.html`. */
export const WAIT_PAGE = "global/WaitPage.html";
const WAIT_PAGE_NAMES = new Set([WAIT_PAGE, "otree/WaitPage.html", "walras/WaitPage.html"]);

export interface EngineOptions {
  /** The project's folder, with `apps/` and `_templates/` in it. */
  root: string;
  /** Look at each use whether a file has changed. */
  development: boolean;
}

/** A template's code, and the templates and filters that it names. */
interface Compiled {
  readonly code: unknown;
  readonly uses: StrictCompiler["uses"];
  readonly filters: StrictCompiler["filters"];
}

/** Finds, compiles and renders templates. Anything undefined in them is an error. */
export class TemplateEngine {
  readonly #root: string;
  readonly #development: boolean;
  readonly #compiled = new Map<string, { version: string } & Compiled>();
  readonly #environment: StrictEnvironment;
  /** Names of the templates of pages, which extend the base by themselves. */
  readonly #pages = new Set<string>();

  constructor(options: EngineOptions) {
    this.#root = options.root;
    this.#development = options.development;
    const load = (name: string) => ({ src: this.#load(name), path: name, noCache: options.development });
    // nunjucks calls anything with getSource a loader; its precompiled ones hand over code, as this one does.
    const loader: nunjucks.ILoader = { getSource: load as unknown as nunjucks.ILoader["getSource"] };
    this.#environment = new StrictEnvironment(loader, { autoescape: true, dev: true });
    for (const [name, filter] of Object.entries(FILTERS)) this.#environment.addFilter(name, filter);
    this.#environment.addGlobal("static", (path: string) => `/static/${path}`);
    for (const [name, value] of [
      ["True", true],
      ["False", false],
      ["None", null],
    ] as const) {
      this.#environment.addGlobal(name, value);
    }
    this.#environment.addTest("None", (value: unknown) => value === null);
    this.#environment.fileOf = (name) => this.#shortPath(this.#find(name) ?? name);
    this.#environment.missing = (name) => this.#missing(name);
  }

  /** @throws AuthorError `template_error` that names file and line */
  render(name: string, variables: Readonly<Record<string, unknown>>): string {
    return this.#locate(name, () => this.#environment.render(name, variables));
  }

  /** Compiles a template and those that it names now, so that their mistakes show at start. @throws AuthorError */
  check(name: string, seen: Set<string> = new Set()): void {
    if (seen.has(name)) return;
    seen.add(name);
    this.#locate(name, () => this.#environment.getTemplate(name, true));
    for (const filter of this.#compiled.get(name)?.filters ?? []) {
      this.#environment.filterNamed(filter.name, name, filter.line);
    }
    for (const { name: used, line } of this.#compiled.get(name)?.uses ?? []) {
      this.#environment.found(used, name, line);
      this.check(used, seen);
    }
  }

  /** Whether there is a file for this name. */
  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  /** From here on, the template of this name is a page's. */
  addPage(name: string): void {
    this.#pages.add(name);
  }

  #locate<T>(name: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      // nunjucks wraps what a template threw, once for each include.
      for (let inner: unknown = error; inner instanceof Error; inner = inner.cause) {
        if (inner instanceof AuthorError) throw inner;
      }
      const line = (error as { lineno?: number }).lineno;
      const file = this.#find(name);
      // One line of places for each block that it passed through.
      const message = messageOf(error).replace(/^(\s*\(.*?\)( \[Line.*?\])?\n\s*)+(Error: )?/, "");
      throw templateError(
        file === undefined ? name : this.#shortPath(file),
        line === undefined ? 1 : line + 1,
        message,
        error,
      );
    }
  }

  /** Code of the template, as precompiled templates of nunjucks have it. */
  #load(name: string): { type: "code"; obj: unknown } {
    const path = this.#find(name);
    if (path === undefined) throw new AuthorError("template_missing", this.#missing(name) ?? name);
    const stat = this.#development ? statSync(path) : undefined;
    const version = stat === undefined ? path : `${path} ${stat.mtimeMs} ${stat.size}`;
    let compiled = this.#compiled.get(name);
    if (compiled?.version !== version) {
      compiled = { version, ...this.#compile(name, path) };
      this.#compiled.set(name, compiled);
    }
    return { type: "code", obj: compiled.code };
  }

  #missing(name: string): string | undefined {
    if (this.#find(name) !== undefined) return undefined;
    const places = this.#candidates(name).map((file) => this.#shortPath(file));
    return `There is no template ${name}.${places.length === 0 ? "" : ` It was looked for as ${places.join(" and ")}.`}`;
  }

  #compile(name: string, path: string): Compiled {
    const file = this.#shortPath(path);
    try {
      const folder = name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "";
      const source = readFileSync(path, "utf8")
        .replace(/\r\n?/g, "\n")
        .replace(/^\ufeff/, "");
      const translated = translateTemplate(source, folder, this.#baseOf(name, folder, source), this.#pages.has(name));
      const compilation = new StrictCompiler(name, false);
      compilation.compile(transformer.transform(parser.parse(translated, [WITH]), [], name));
      return { code: new Function(compilation.getCode())(), uses: compilation.uses, filters: compilation.filters };
    } catch (error) {
      if (error instanceof TemplateSyntaxError) throw templateError(file, error.line, `${error.message}.`, error);
      const line = (error as { lineno?: number }).lineno ?? 1;
      throw templateError(file, line, inOurWords(messageOf(error)), error);
    }
  }

  /** What a template without `extends` extends; undefined: nothing. */
  #baseOf(name: string, folder: string, source: string): string | undefined {
    const base = `${folder}/${APP_BASE}`;
    // A project's own, where it is no whole document: without ours around it, pages had no form and no script.
    if (name === PAGE_BASE) return /<html\b/i.test(source) ? undefined : "walras/Page.html";
    if (name === WAIT_PAGE) return PAGE_BASE;
    if (name === base) return PAGE_BASE;
    if (!this.#pages.has(name)) return undefined;
    return folder !== "" && this.#find(base) !== undefined ? base : PAGE_BASE;
  }

  #find(name: string): string | undefined {
    return this.#candidates(name).find((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
  }

  #candidates(name: string): string[] {
    if (name.split("/").includes("..")) return [];
    const own = name.startsWith("walras/")
      ? []
      : [join(this.#root, "_templates", name), join(this.#root, "apps", name)];
    if (PAGE_BASE_NAMES.has(name)) return [...own, join(VIEWS, "Page.html")];
    if (WAIT_PAGE_NAMES.has(name)) return [...own, join(VIEWS, "WaitPage.html")];
    return name.startsWith("walras/") ? [join(VIEWS, name.slice("walras/".length))] : own;
  }

  #shortPath(path: string): string {
    const short = relative(this.#root, path);
    return short.startsWith("..") ? path : short;
  }
}

/** What nunjucks says of a template that it cannot read, as its author writes templates. */
function inOurWords(message: string): string {
  const plain = message.replace(/^Template render error: /, "");
  for (const [pattern, text] of [
    [/^unknown block tag: (end\w+|else|elif)$/, "{{ $1 }} closes nothing here. Is a tag above it not closed?"],
    [/^unknown block tag: (\w+)$/, "There is no tag {% $1 %}."],
    [
      /^expected block end in (\w+) statement$/,
      "The condition of {{ $1 }} cannot be read. Compare by ==, !=, < and >, and join by and, or, not.",
    ],
    [/^parseFor: .*$/, "A loop is written {{ for x in list }} … {{ endfor }}."],
    [
      /^expected variable end$/,
      "This is neither a value nor a tag. A function has brackets: {{ player.in_round(1) }}.",
    ],
  ] as const) {
    if (pattern.test(plain)) return plain.replace(pattern, text);
  }
  return plain;
}
