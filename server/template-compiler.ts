import compiler, { type Scope } from "nunjucks/src/compiler.js";
import nodes, {
  type BinOp,
  type Filter,
  type For,
  type FunCall,
  type If,
  type InlineIf,
  type Is,
  type LookupVal,
  type Node,
  type Not,
  type SymbolNode,
  type TemplateUse,
} from "nunjucks/src/nodes.js";
import type { Parser } from "nunjucks/src/parser.js";

/**
 * Compiles templates into calls of {@link StrictEnvironment}: nunjucks turns what is undefined into nothing, also
 * inside `if`, and forgets the line; this one does not.
 */
export class StrictCompiler extends compiler.Compiler {
  readonly #name: string;
  /** Inside what may be undefined: `x` in `x|default("y")` and in `x is defined`. */
  #lenient = false;
  /** The name of a function that is being called: it is not called by itself. */
  #called: Node | undefined;

  constructor(name: string, throwOnUndefined: boolean) {
    super(name, throwOnUndefined);
    this.#name = name;
  }

  /** Templates that this one extends or includes, as far as their names stand in it. */
  readonly uses: { readonly name: string; readonly line: number }[] = [];

  /** Filters that this one applies. */
  readonly filters: { readonly name: string; readonly line: number }[] = [];

  /** Conditions and lists, by what is to be made of their value. */
  readonly #wraps = new Map<Node, readonly [before: string, after: string]>();

  override compile(node: Node, scope?: Scope): void {
    const wrap = this.#wraps.get(node);
    if (wrap === undefined) {
      super.compile(node, scope);
      return;
    }
    this.#wraps.delete(node);
    this._emit(wrap[0]);
    super.compile(node, scope);
    this._emit(wrap[1]);
  }

  override compileIf(node: If, scope: Scope): void {
    this.#wraps.set(node.cond, ["env.isTrue(", ")"]);
    super.compileIf(node, scope);
  }

  override compileInlineIf(node: InlineIf, scope: Scope): void {
    this.#wraps.set(node.cond, ["env.isTrue(", ")"]);
    super.compileInlineIf(node, scope);
  }

  override compileNot(node: Not, scope: Scope): void {
    // nunjucks' own reads `not a == b` as `(not a) == b`.
    this._emit("!env.isTrue(");
    this.compile(node.target, scope);
    this._emit(")");
  }

  override compileOr(node: BinOp, scope: Scope): void {
    this.#chooses("or", node, scope);
  }

  override compileAnd(node: BinOp, scope: Scope): void {
    this.#chooses("and", node, scope);
  }

  override compileIn(node: BinOp, scope: Scope): void {
    this._emit("env.contains(");
    this.compile(node.right, scope);
    this._emit(", ");
    this.compile(node.left, scope);
    this._emit(`, ${JSON.stringify(textOf(node.right))}, ${this.#place(node)})`);
  }

  #chooses(word: "or" | "and", node: BinOp, scope: Scope): void {
    this._emit(`env.${word}(`);
    this.compile(node.left, scope);
    this._emit(", () => (");
    this.compile(node.right, scope);
    this._emit("))");
  }

  override compileFor(node: For, scope: Scope): void {
    const names = node.name instanceof nodes.Array ? node.name.children.length : 1;
    this.#wraps.set(node.arr, ["env.list(", `, ${names}, ${JSON.stringify(textOf(node.arr))}, ${this.#place(node)})`]);
    super.compileFor(node, scope);
  }

  override compileInclude(node: TemplateUse, scope: Scope): void {
    if (node.ignoreMissing !== true) this.#use(node);
    super.compileInclude(node, scope);
  }

  override compileExtends(node: TemplateUse, scope: Scope): void {
    this.#use(node);
    super.compileExtends(node, scope);
  }

  #use(node: TemplateUse): void {
    const name = constantOf(node.template);
    if (name !== undefined) this.uses.push({ name, line: node.lineno + 1 });
    this.#wraps.set(node.template, ["env.found(", `, ${this.#place(node)})`]);
  }

  #place(node: Node): string {
    return `${JSON.stringify(this.#name)}, ${node.lineno + 1}`;
  }

  override compileSymbol(node: SymbolNode, scope: Scope): void {
    const local = scope.lookup(node.value);
    if (local) {
      this._emit(local);
      return;
    }
    const name = JSON.stringify(node.value);
    this._emit(
      `env.variable(context, frame, ${name}, ${this.#lenient}, ${this.#called === node}, ${this.#place(node)})`,
    );
  }

  override compileLookupVal(node: LookupVal, scope: Scope): void {
    const called = this.#called === node;
    this._emit("env.member(");
    this.compile(node.target, scope);
    this._emit(", ");
    const lenient = this.#lenient;
    this.#lenient = false;
    this.compile(node.val, scope);
    this.#lenient = lenient;
    this._emit(`, ${lenient}, ${called}, ${JSON.stringify(textOf(node))}, ${this.#place(node)})`);
  }

  override compileFunCall(node: FunCall, scope: Scope): void {
    const before = this.#called;
    this.#called = node.name;
    this._emit("env.call(");
    this.compile(node.name, scope);
    this.#called = before;
    this._emit(`, context, ${JSON.stringify(textOf(node.name))}, ${this.#place(node)}, `);
    this._compileAggregate(node.args, scope, "[", "])");
  }

  override compileFilter(node: Filter, scope: Scope): void {
    this.filters.push({ name: node.name.value, line: node.lineno + 1 });
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

/** The text of an expression of nothing but texts; undefined: only rendering tells. */
function constantOf(node: Node): string | undefined {
  if (node.typename === "Literal" && "value" in node) return String(node.value);
  if (node.typename !== "Add") return undefined;
  const { left, right } = node as BinOp;
  const [before, after] = [constantOf(left), constantOf(right)];
  return before === undefined || after === undefined ? undefined : before + after;
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

/** The tag `with`, which nunjucks has not: `a = x b = y`, and Django's older `x as a`. */
export const WITH = {
  tags: ["with"],
  parse(parse: Parser): Node {
    const tag = parse.nextToken();
    const pairs: { name: string; value: Node }[] = [];
    do {
      const first = parse.parseExpression();
      if (first instanceof nodes.Symbol && parse.skipValue("operator", "=")) {
        pairs.push({ name: first.value, value: parse.parseExpression() });
      } else if (parse.skipSymbol("as")) {
        pairs.push({ name: parse.parsePrimary().value, value: first });
      } else parse.fail("with needs name = value", tag.lineno, tag.colno);
      parse.skip("comma");
    } while (parse.peekToken().type !== "block-end");
    parse.advanceAfterBlockEnd(tag.value);
    const body = parse.parseUntilBlocks("endwith");
    parse.advanceAfterBlockEnd();
    return new With(tag.lineno, tag.colno, pairs, body);
  },
};
