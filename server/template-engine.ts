import { readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import nunjucks from "nunjucks";
import compiler, { type Scope } from "nunjucks/src/compiler.js";
import nodes, { type Filter, type Is, type LookupVal, type Node, type SymbolNode } from "nunjucks/src/nodes.js";
import parser, { type Parser } from "nunjucks/src/parser.js";
import transformer from "nunjucks/src/transformer.js";
import { AuthorError, codeOf, messageOf } from "../client-sdk/errors.ts";
import { FILTERS, type FilterContext } from "./template-filters.ts";
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

/** Finds, compiles and renders templates. Anything undefined in them is an error. */
export class TemplateEngine {
  readonly #root: string;
  readonly #development: boolean;
  readonly #compiled = new Map<string, { version: string; code: unknown }>();
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
  }

  /** @throws AuthorError `template_error` that names file and line */
  render(name: string, variables: Readonly<Record<string, unknown>>): string {
    return this.#locate(name, () => this.#environment.render(name, variables));
  }

  /** Compiles a template now, so that its mistakes show at start. @throws AuthorError `template_error` */
  check(name: string): void {
    this.#locate(name, () => this.#environment.getTemplate(name, true));
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
    if (path === undefined) {
      throw new AuthorError(
        "template_missing",
        `There is no template ${name}. It was looked for as ${this.#candidates(name)
          .map((file) => this.#shortPath(file))
          .join(" and ")}.`,
      );
    }
    const stat = this.#development ? statSync(path) : undefined;
    const version = stat === undefined ? path : `${path} ${stat.mtimeMs} ${stat.size}`;
    let compiled = this.#compiled.get(name);
    if (compiled?.version !== version) {
      compiled = { version, code: this.#compile(name, path) };
      this.#compiled.set(name, compiled);
    }
    return { type: "code", obj: compiled.code };
  }

  #compile(name: string, path: string): unknown {
    const file = this.#shortPath(path);
    try {
      const folder = name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "";
      const source = readFileSync(path, "utf8")
        .replace(/\r\n?/g, "\n")
        .replace(/^\ufeff/, "");
      const translated = translateTemplate(source, folder, this.#baseOf(name, folder), this.#pages.has(name));
      const compilation = new StrictCompiler(name, false);
      compilation.compile(transformer.transform(parser.parse(translated, [WITH]), [], name));
      return new Function(compilation.getCode())();
    } catch (error) {
      if (error instanceof TemplateSyntaxError) throw templateError(file, error.line, `${error.message}.`, error);
      const line = (error as { lineno?: number }).lineno ?? 1;
      const message = messageOf(error)
        .replace(/^Template render error: /, "")
        .replace(
          /^unknown block tag: (end\w+|else|elif)$/,
          "{{ $1 }} closes nothing here. Is a tag above it not closed?",
        );
      throw templateError(file, line, message, error);
    }
  }

  /** What a template without `extends` extends; undefined: nothing. */
  #baseOf(name: string, folder: string): string | undefined {
    const base = `${folder}/${APP_BASE}`;
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

function templateError(file: string, line: number, message: string, cause: unknown): AuthorError {
  const code = cause instanceof AuthorError ? codeOf(cause) : "template_error";
  const error = new AuthorError(code, `${file} line ${line}: ${message}`, { cause });
  // The template comes first in the stack: it is where an author looks.
  const below = cause instanceof Error ? (cause.stack ?? "").split("\n    at ").slice(1) : [];
  error.stack = [`${error.name}: ${error.message}`, `template (${file}:${line}:1)`, ...below].join("\n    at ");
  return error;
}

/** The functions that strictly compiled templates call. */
class StrictEnvironment extends nunjucks.Environment {
  /** Left out of nunjucks' published types. */
  declare addTest: (name: string, test: (value: unknown) => boolean) => void;
  /** The file of a template, as errors name it. */
  fileOf: (template: string) => string = (template) => template;

  variable(
    context: TemplateContext,
    frame: TemplateFrame,
    name: string,
    lenient: boolean,
    template: string,
    line: number,
  ) {
    const value = frame.lookup(name) ?? context.lookup(name);
    if (value !== undefined || lenient) return value;
    const known = Object.keys(context.getVariables()).filter((key) => !key.startsWith("walras_"));
    throw this.#error(template, line, `There is no variable ${name}. The template has: ${known.sort().join(", ")}.`);
  }

  member(
    target: unknown,
    key: string | number,
    lenient: boolean,
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
      value = (target as Record<string | number, unknown>)[key];
    } catch (error) {
      if (lenient && codeOf(error) === "field_not_set") return undefined;
      throw this.#error(template, line, messageOf(error), error);
    }
    if (value === undefined) value = pythonMember(target, key);
    if (value === undefined && !lenient) throw this.#error(template, line, `${text} is undefined.`);
    return typeof value === "function" ? value.bind(target) : value;
  }

  filter(context: FilterContext, name: string, template: string, line: number, values: unknown[]): unknown {
    let filter: (...values: unknown[]) => unknown;
    try {
      filter = this.getFilter(name);
    } catch (error) {
      throw this.#error(template, line, `There is no filter ${name}.`, error);
    }
    try {
      return filter.apply(context, values);
    } catch (error) {
      throw this.#error(template, line, `${messageOf(error)}.`.replace(/\.\.$/, "."), error);
    }
  }

  #error(template: string, line: number, message: string, cause?: unknown): AuthorError {
    return templateError(this.fileOf(template), line, message, cause);
  }
}

/** What oTree's authors ask objects for: `for key, value in data.items()`. */
function pythonMember(target: unknown, key: string | number): unknown {
  if (typeof target !== "object" || target === null || Object.getPrototypeOf(target) !== Object.prototype)
    return undefined;
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

interface TemplateContext extends FilterContext {
  getVariables(): Record<string, unknown>;
}

interface TemplateFrame {
  lookup(name: string): unknown;
}

/** nunjucks turns what is undefined into nothing, also inside `if`, and forgets the line; this one does not. */
class StrictCompiler extends compiler.Compiler {
  readonly #name: string;
  /** Inside what may be undefined: `x` in `x|default("y")` and in `x is defined`. */
  #lenient = false;

  constructor(name: string, throwOnUndefined: boolean) {
    super(name, throwOnUndefined);
    this.#name = name;
  }

  #place(node: Node): string {
    return `${JSON.stringify(this.#name)}, ${node.lineno + 1}`;
  }

  override compileSymbol(node: SymbolNode, scope: Scope): void {
    const local = scope.lookup(node.value);
    if (local) this._emit(local);
    else
      this._emit(`env.variable(context, frame, ${JSON.stringify(node.value)}, ${this.#lenient}, ${this.#place(node)})`);
  }

  override compileLookupVal(node: LookupVal, scope: Scope): void {
    this._emit("env.member(");
    this.compile(node.target, scope);
    this._emit(", ");
    const lenient = this.#lenient;
    this.#lenient = false;
    this.compile(node.val, scope);
    this.#lenient = lenient;
    this._emit(`, ${lenient}, ${JSON.stringify(textOf(node))}, ${this.#place(node)})`);
  }

  override compileFilter(node: Filter, scope: Scope): void {
    this._emit(`env.filter(context, ${JSON.stringify(node.name.value)}, ${this.#place(node)}, `);
    const [value, ...rest] = node.args.children;
    this._emit("[");
    if (value !== undefined) this.#compileLeniently(value, scope, node.name.value === "default");
    for (const argument of rest) {
      this._emit(", ");
      this.compile(argument, scope);
    }
    this._emit("])");
  }

  override compileIs(node: Is, scope: Scope): void {
    const lenient = node.right.value === "defined" || node.right.value === "undefined";
    if (!lenient) super.compileIs(node, scope);
    else {
      this._emit("((");
      this.#compileLeniently(node.left, scope, true);
      this._emit(`) ${node.right.value === "defined" ? "!==" : "==="} undefined)`);
    }
  }

  #compileLeniently(node: Node, scope: Scope, lenient: boolean): void {
    const before = this.#lenient;
    this.#lenient = lenient;
    this.compile(node, scope);
    this.#lenient = before;
  }

  /** Called by the compiler for the node of that name. */
  compileWith(node: With, scope: Scope): void {
    const inner = scope.push();
    const values = node.pairs.map((pair) => {
      const id = this._tmpid();
      this._emit(`var ${id} = `);
      this.compile(pair.value, scope);
      this._emitLine(";");
      return { name: pair.name, id };
    });
    this._emitLine("frame = frame.push();");
    for (const { name, id } of values) {
      inner.set(name, id);
      this._emitLine(`frame.set(${JSON.stringify(name)}, ${id});`);
    }
    this._withScopedSyntax(() => this.compile(node.body, inner));
    this._emitLine("frame = frame.pop();");
  }
}

/** `player.name` as its author wrote it, more or less. */
function textOf(node: Node): string {
  if (node instanceof nodes.Symbol) return node.value;
  if (node instanceof nodes.LookupVal) return `${textOf(node.target)}.${textOf(node.val)}`;
  return "value" in node ? String(node.value) : "(…)";
}

/** `{{ with a = x, b = y }} … {{ endwith }}`: names for values, within it. */
class With extends nodes.Node {
  declare readonly pairs: readonly { name: string; value: Node }[];
  declare readonly body: Node;
  override get typename(): string {
    return "With";
  }
  override get fields(): string[] {
    return ["pairs", "body"];
  }
}

const WITH = {
  tags: ["with"],
  parse(parse: Parser): Node {
    const tag = parse.nextToken();
    const pairs: { name: string; value: Node }[] = [];
    do {
      const name = parse.parsePrimary().value;
      if (!parse.skipValue("operator", "=")) parse.fail("with needs name = value", tag.lineno, tag.colno);
      pairs.push({ name, value: parse.parseExpression() });
      parse.skip("comma");
    } while (parse.peekToken().type !== "block-end");
    parse.advanceAfterBlockEnd(tag.value);
    const body = parse.parseUntilBlocks("endwith");
    parse.advanceAfterBlockEnd();
    return new With(tag.lineno, tag.colno, pairs, body);
  },
};
