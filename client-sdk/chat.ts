import type { Inherited } from "./outbox.ts";
import type { ChatFrame, ChatLine, Listen } from "./protocol.ts";

export interface ChatEvents {
  /** A line is new. @param at its place among the lines */
  onLine(line: ChatLine, at: number): void;
  /** All that has been said so far is there; again after each connection. */
  onReady?(): void;
}

export interface ChatOptions extends ChatEvents {
  /** From the page; see ChatBox. */
  readonly token: string;
  /** Which of the page's chats it is. */
  readonly box: number;
  readonly clientId: string;
  /** Messages to it that the page before this one had sent, and that are not answered yet. */
  readonly pending: readonly Inherited[];
  /** @param payload JSON text */
  send(payload: string): Promise<unknown>;
}

/** One of a page's chats: what has been said in it, each line once, in the order of time. */
export class Chat {
  readonly lines: ChatLine[] = [];
  readonly pending: readonly Inherited[];
  private readonly options: ChatOptions;
  /** The last number of each source. */
  private readonly seen: Record<string, number> = {};

  constructor(options: ChatOptions) {
    this.options = options;
    this.pending = options.pending;
  }

  /** Posts a text. @returns a promise of its line's number; it rejects with the server's refusal */
  send(text: string): Promise<number> {
    return this.options.send(JSON.stringify(text)) as Promise<number>;
  }

  /** For each new connection: asks for what this page does not have. */
  listen(): Listen {
    const { box: b, token: t, clientId: c } = this.options;
    return { k: "listen", c, b, t, s: this.seen };
  }

  take({ m, u }: ChatFrame): void {
    for (const line of m) {
      if (line.n <= (this.seen[line.s] ?? 0)) continue;
      this.seen[line.s] = line.n;
      let at = this.lines.length;
      while (at > 0 && isBefore(line, this.lines[at - 1] as ChatLine)) at--;
      this.lines.splice(at, 0, line);
      this.options.onLine(line, at);
    }
    if (u) this.options.onReady?.();
  }
}

/** The same on every page: two groups' clocks may tell the same time. */
function isBefore(a: ChatLine, b: ChatLine): boolean {
  if (a.t !== b.t) return a.t < b.t;
  return a.s === b.s ? a.n < b.n : a.s < b.s;
}
