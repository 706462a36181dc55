import type { Chat } from "../client-sdk/chat.ts";
import type { GroupState } from "../client-sdk/live-state.ts";
import { BOT_PARAMETER } from "../client-sdk/protocol.ts";
import type { BotForm } from "./bot.ts";
import type { View } from "./view.ts";

/** What a tab tells its bot. */
export interface TabEvents {
  /** Another page is there, or the same one anew. */
  page(view: View): void;
  /** A message to the page's liveRecv. `seq`: of the group's unit that sent it. */
  delivery(data: unknown, seq: number): void;
  /** The page's published state has changed. */
  state(): void;
  /** A line has come in one of the page's chats. */
  chat(): void;
}

/** One of the page's chats. */
export type TabChat = Pick<Chat, "lines" | "send">;

/** The page in which a bot plays: of a participant without a browser, or of one in a browser. */
export interface Tab {
  /** As liveSend in the page. */
  send(data: unknown): Promise<unknown>;
  /** As live.state in the page. @throws WalrasError `not_live` if the page is not connected */
  readonly state: GroupState;
  /** In the page's order. */
  readonly chats: readonly TabChat[];
  /**
   * Fills in the page's form and submits it; resolves when the next page has come (see {@link TabEvents.page}).
   *
   * @param checkHtml refuse fields that the page's form does not have
   */
  submit(form: BotForm, checkHtml: boolean): Promise<void>;
  /** Loads the page again, where it would not do that by itself. */
  refresh?(): Promise<void>;
  close(): void;
}

/** A participant's link with the word that it is a bot who comes, which the data then say. */
export function botLink(link: string): string {
  return `${link}${link.includes("?") ? "&" : "?"}${BOT_PARAMETER}=1`;
}

/** Opens a participant's link. Events may come before it resolves. */
export type OpenTab = (events: TabEvents) => Promise<Tab>;
