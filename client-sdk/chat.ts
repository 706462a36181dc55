import type { ChatEnd, LiveClient } from "./live-client.ts";
import type { Inherited } from "./outbox.ts";
import type { ChatFrame, ChatLine, Listen } from "./protocol.ts";

export interface ChatEvents {
  /** A line is new. @param at its place among the lines */
  onLine(line: ChatLine, at: number): void;
  /** All that has been said so far is there; again after each connection. */
  onReady?(): void;
}

/**
 * One of a page's chats: what has been said in it, each line once, in the order of time. Not in the script of every
 * live page, but in that of pages with a chat (chat-widget.ts).
 */
export class Chat implements ChatEnd {
  readonly lines: ChatLine[] = [];
  /** Messages to it that the page before this one had sent, and that are not answered yet. */
  readonly pending: readonly Inherited[];
  private readonly client: LiveClient;
  private readonly token: string;
  private readonly on: ChatEvents;
  /** The last number of each source. */
  private readonly seen: Record<string, number> = {};

  /** Its whole history comes, and then what is said. @param token of the chat, from the page */
  constructor(client: LiveClient, token: string, on: ChatEvents) {
    this.client = client;
    this.token = token;
    this.on = on;
    this.pending = client.outbox.inherited.filter((message) => message.token === token);
    client.addChat(this);
  }

  /** Posts a text. @returns a promise of its line's number; it rejects with the server's refusal */
  send(text: string): Promise<number> {
    return this.client.sendJson(JSON.stringify(text), this.token) as Promise<number>;
  }

  /** For each new connection: asks for what this page does not have. */
  listen(): Pick<Listen, "t" | "s"> {
    return { t: this.token, s: this.seen };
  }

  take({ m, u }: ChatFrame): void {
    for (const line of m) {
      if (line.n <= (this.seen[line.s] ?? 0)) continue;
      this.seen[line.s] = line.n;
      let at = this.lines.length;
      while (at > 0 && isBefore(line, this.lines[at - 1] as ChatLine)) at--;
      this.lines.splice(at, 0, line);
      this.on.onLine(line, at);
    }
    if (u) this.on.onReady?.();
  }
}

/** The same on every page: two groups' clocks may tell the same time. */
function isBefore(a: ChatLine, b: ChatLine): boolean {
  if (a.t !== b.t) return a.t < b.t;
  return a.s === b.s ? a.n < b.n : a.s < b.s;
}
