/** The parts of nunjucks that its published types leave out: what it takes to compile templates strictly. */

declare module "nunjucks/src/nodes.js" {
  export class Node {
    constructor(line: number, column: number, ...fields: unknown[]);
    readonly lineno: number;
    readonly colno: number;
    get typename(): string;
    get fields(): string[];
  }
  export class NodeList extends Node {
    children: Node[];
  }
  export class SymbolNode extends Node {
    value: string;
  }
  export class LookupVal extends Node {
    target: Node;
    val: Node;
  }
  export class Filter extends Node {
    name: SymbolNode;
    args: NodeList;
  }
  export class FunCall extends Node {
    name: Node;
    args: NodeList;
  }
  export class ArrayNode extends NodeList {}
  export class For extends Node {
    arr: Node;
    name: Node;
  }
  export class If extends Node {
    cond: Node;
  }
  export class InlineIf extends Node {
    cond: Node;
  }
  export class Not extends Node {
    target: Node;
  }
  export class BinOp extends Node {
    left: Node;
    right: Node;
  }
  /** An include or extends. */
  export class TemplateUse extends Node {
    template: Node;
    ignoreMissing?: boolean;
  }
  export class Is extends Node {
    left: Node;
    right: Node & { value?: unknown };
  }
  const nodes: {
    Node: typeof Node;
    Symbol: typeof SymbolNode;
    LookupVal: typeof LookupVal;
    Array: typeof ArrayNode;
  };
  export default nodes;
}

declare module "nunjucks/src/compiler.js" {
  import type {
    BinOp,
    Filter,
    For,
    FunCall,
    If,
    InlineIf,
    Is,
    LookupVal,
    Node,
    NodeList,
    Not,
    SymbolNode,
    TemplateUse,
  } from "nunjucks/src/nodes.js";
  /** What the compiler knows of the variables in scope: template name → JavaScript expression. */
  export interface Scope {
    lookup(name: string): string | null | undefined;
    set(name: string, expression: string): void;
    push(): Scope;
  }
  export class Compiler {
    constructor(templateName: string, throwOnUndefined: boolean);
    compile(node: Node, scope?: Scope): void;
    compileSymbol(node: SymbolNode, scope: Scope): void;
    compileLookupVal(node: LookupVal, scope: Scope): void;
    compileFunCall(node: FunCall, scope: Scope): void;
    compileIf(node: If, scope: Scope): void;
    compileInlineIf(node: InlineIf, scope: Scope): void;
    compileNot(node: Not, scope: Scope): void;
    compileOr(node: BinOp, scope: Scope): void;
    compileAnd(node: BinOp, scope: Scope): void;
    compileIn(node: BinOp, scope: Scope): void;
    compileFor(node: For, scope: Scope): void;
    compileInclude(node: TemplateUse, scope: Scope): void;
    compileExtends(node: TemplateUse, scope: Scope): void;
    compileFilter(node: Filter, scope: Scope): void;
    compileIs(node: Is, scope: Scope): void;
    getCode(): string;
    protected _compileAggregate(node: NodeList, scope: Scope, start: string, end: string): void;
    protected _emit(code: string): void;
    protected _emitLine(code: string): void;
    protected _tmpid(): string;
    protected _withScopedSyntax(work: () => void): void;
  }
  const compiler: { Compiler: typeof Compiler };
  export default compiler;
}

declare module "nunjucks/src/transformer.js" {
  import type { Node } from "nunjucks/src/nodes.js";

  const transformer: { transform(tree: Node, asyncFilters: string[], name: string): Node };
  export default transformer;
}

declare module "nunjucks/src/parser.js" {
  import type { Node } from "nunjucks/src/nodes.js";
  export interface Token {
    type: string;
    value: string;
    lineno: number;
    colno: number;
  }
  export interface Parser {
    nextToken(): Token;
    peekToken(): Token;
    skip(type: string): boolean;
    skipValue(type: string, value: string): boolean;
    skipSymbol(value: string): boolean;
    advanceAfterBlockEnd(name?: string): Token;
    parsePrimary(): Node & { value: string };
    parseExpression(): Node;
    parseUntilBlocks(...names: string[]): Node;
    fail(message: string, line: number, column: number): never;
  }
  /** A tag of our own. */
  export interface Tag {
    tags: string[];
    parse(parser: Parser): Node;
  }
  const parser: { parse(source: string, tags: Tag[], options?: object): Node };
  export default parser;
}
