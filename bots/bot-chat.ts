import { WalrasError } from "../client-sdk/errors.ts";
import type { ChatLine } from "../client-sdk/protocol.ts";
import type { BotChat, BotChatMessage, ChatReceiveOptions } from "./bot.ts";
import type { Calls } from "./calls.ts";
import { Failure, show } from "./errors.ts";
import type { Tab, TabChat } from "./tab.ts";

export interface BotChatOptions {
  readonly calls: Calls;
  tab(): Tab;
  /** The page, for errors. */
  page(): string;
  /** Until something is so; `now` says how it is if that is in vain. */
  until(condition: () => boolean, timeoutMs: number, now: () => string): Promise<void>;
  /** Waits for pages to pass on which there is nothing to do. @param isEnough looked at with each page */
  pass(isEnough: () => boolean): Promise<void>;
  readonly receiveMs: number;
}

/** The chats of the page on which a bot is, as its script uses them. */
export class BotChats implements BotChat {
  readonly #options: BotChatOptions;
  /** Messages that the script has received, on whichever page: the next page of a channel shows them again. */
  readonly #taken = new Set<string>();

  constructor(options: BotChatOptions) {
    this.#options = options;
  }

  get messages(): BotChatMessage[] {
    return this.#options.tab().chats[0]?.lines.map(messageOf) ?? [];
  }

  send(text: string, { box = 1 }: { box?: number } = {}): Promise<void> {
    return this.#options.calls.run("chat.send", [text], async () => {
      const chat = await this.#chat(box);
      const n = await chat.send(text).catch((error: unknown) => {
        if (!(error instanceof WalrasError)) throw error;
        throw new Failure(`refused (${error.code}): ${error.message}`, error.code);
      });
      const isThere = () => chat.lines.some((line) => line.me && line.n === n);
      await this.#options.until(isThere, this.#options.receiveMs, () => "the message is stored, but has not come back");
    });
  }

  receive(matches: (message: BotChatMessage) => boolean = () => true, options: ChatReceiveOptions = {}) {
    const { calls, until, receiveMs } = this.#options;
    return calls.run("chat.receive", [matches], async () => {
      const { box = 1, timeoutMs = receiveMs } = options;
      const chat = await this.#chat(box);
      let found: ChatLine | undefined;
      const look = (): boolean => {
        found = chat.lines.find((line) => !line.me && !this.#taken.has(idOf(line)) && matches(messageOf(line)));
        return found !== undefined;
      };
      await until(look, timeoutMs, () => `what has been said: ${show(chat.lines.map(messageOf), 1_000)}`);
      this.#taken.add(idOf(found as ChatLine));
      return messageOf(found as ChatLine);
    });
  }

  async #chat(box: number): Promise<TabChat> {
    const find = () => this.#options.tab().chats[box - 1];
    await this.#options.pass(() => find() !== undefined);
    const chat = find();
    if (chat !== undefined) return chat;
    const count = this.#options.tab().chats.length;
    throw new Failure(
      `${this.#options.page()} has ${count === 0 ? "no chat" : `only ${count}`}, and number ${box} was wanted`,
    );
  }
}

function idOf({ s, n }: ChatLine): string {
  return `${s}.${n}`;
}

function messageOf({ nickname, text, me }: ChatLine): BotChatMessage {
  return { nickname, text, isOwn: me === 1 };
}
