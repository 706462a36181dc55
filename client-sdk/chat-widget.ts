/**
 * The script of pages with a `{{ chat }}`: shows what is said, and sends what the participant writes. The page's
 * own script (page.ts) has the connection; see server/chat-html.ts for the elements.
 */
import { Chat } from "./chat.ts";
import type { ChatLine } from "./protocol.ts";

/** What the server says of a chat, in the attributes of its element. */
interface ChatFacts {
  /** Its token. */
  readonly chat: string;
  /** `{nickname} (Me)`. */
  readonly me: string;
  readonly limit: string;
  readonly tooLong: string;
  readonly sending: string;
  readonly notSent: string;
}

/** As close to the end as this, in pixels, the newest message is kept in view. */
const NEAR_END = 40;
/** Reasons that are meant for participants: an app's own, and too long a text. */
const TOLD = ["invalid", "too_large"];

class ChatWidget {
  private readonly facts: ChatFacts;
  private readonly log: HTMLElement;
  private readonly input: HTMLTextAreaElement;
  private readonly error: HTMLElement;
  private readonly draftKey: string;
  private readonly chat: Chat | null;
  /** Messages of the channel, in order; those that are on their way stand behind them. */
  private readonly shown: HTMLElement[] = [];
  /** Own messages that are stored, by their number, and wait to come back with the others'. */
  private readonly stored = new Map<number, HTMLElement>();

  constructor(root: HTMLElement, at: number) {
    const { chat = "", me = "", limit = "", tooLong = "", sending = "", notSent = "" } = root.dataset;
    this.facts = { chat, me, limit, tooLong, sending, notSent };
    this.log = root.querySelector("[role=log]") as HTMLElement;
    this.input = root.querySelector("textarea") as HTMLTextAreaElement;
    this.error = root.querySelector("[role=alert]") as HTMLElement;
    this.draftKey = `walras-draft.${location.pathname}.${at}`;
    const { input } = this;
    input.value = this.draft() || input.value;
    input.addEventListener("input", () => this.typed());
    input.addEventListener("keydown", (event) => {
      // While a word is being composed, Enter chooses it.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.send();
    });
    (root.querySelector("button") as HTMLElement).addEventListener("click", () => {
      this.send();
      input.focus();
    });
    const client = window.walrasClient();
    this.chat =
      client &&
      new Chat(client, this.facts.chat, {
        onLine: (line, place) => this.show(line, place),
        // The history is not read out, what is new is.
        onReady: () => this.log.setAttribute("aria-live", "polite"),
      });
    for (const { text, answer } of this.chat?.pending ?? []) this.await(text, answer);
    this.grow();
  }

  private send(): void {
    const { input, chat, facts } = this;
    const text = input.value.trim();
    this.say("");
    if (text === "" || !chat) return;
    if ([...text].length > Number(facts.limit)) {
      this.say(facts.tooLong);
      return;
    }
    input.value = "";
    this.typed();
    this.await(text, chat.send(text));
    this.toEnd();
  }

  /** Shows a message as on its way, until it is there or refused. */
  private await(text: string, answer: Promise<unknown>): void {
    const item = this.item(this.facts.sending, text);
    item.classList.add("otree-chat__msg--me", "otree-chat__msg--pending");
    this.place(item, null);
    answer.then(
      (n) => {
        // It stays until its line is there, which is the same moment or the next.
        if (this.chat?.lines.some((line) => line.me && line.n === n)) item.remove();
        else this.stored.set(n as number, item);
      },
      (error: { code?: string; message: string }) => {
        // Leaving the page takes it along.
        if (error.code === "left") return;
        const why = TOLD.includes(error.code ?? "") ? error.message : "";
        this.say(why ? `${this.facts.notSent} ${why}` : this.facts.notSent);
        item.remove();
        // Nothing that was written is lost.
        this.input.value = this.input.value ? `${text}\n${this.input.value}` : text;
        this.typed();
      },
    );
  }

  private show(line: ChatLine, place: number): void {
    const name = line.me ? this.facts.me.replace("{nickname}", () => line.nickname) : line.nickname;
    const item = this.item(name, line.text, new Date(line.t));
    if (line.me) {
      item.classList.add("otree-chat__msg--me");
      this.stored.get(line.n)?.remove();
      this.stored.delete(line.n);
    }
    const next = this.shown[place] ?? this.log.querySelector(".otree-chat__msg--pending");
    this.shown.splice(place, 0, item);
    this.place(item, next);
  }

  private place(item: HTMLElement, before: Element | null): void {
    const { log } = this;
    const wasAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END;
    log.insertBefore(item, before);
    if (wasAtEnd) this.toEnd();
  }

  private toEnd(): void {
    this.log.scrollTop = this.log.scrollHeight;
  }

  private item(name: string, text: string, at?: Date): HTMLElement {
    const item = element("div", "otree-chat__msg");
    const head = element("div", "otree-chat__head");
    const who = element("bdi", "otree-chat__nickname", name);
    head.append(who);
    if (at) {
      const language = document.documentElement.lang || undefined;
      const time = element(
        "time",
        "otree-chat__time",
        at.toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit" }),
      );
      time.setAttribute("datetime", at.toISOString());
      time.title = at.toLocaleString(language);
      head.append(" ", time);
    }
    const body = element("div", "otree-chat__body", text);
    body.dir = "auto";
    item.append(head, body);
    return item;
  }

  private say(text: string): void {
    this.error.textContent = text;
  }

  private typed(): void {
    this.grow();
    try {
      if (this.input.value) sessionStorage.setItem(this.draftKey, this.input.value);
      else sessionStorage.removeItem(this.draftKey);
    } catch {
      // Blocked or full: then a draft does not survive a reload.
    }
  }

  private draft(): string {
    try {
      return sessionStorage.getItem(this.draftKey) ?? "";
    } catch {
      return "";
    }
  }

  /** As high as its text, up to what the stylesheet allows. */
  private grow(): void {
    const { style } = this.input;
    style.height = "auto";
    style.height = `${this.input.scrollHeight + this.input.offsetHeight - this.input.clientHeight}px`;
  }
}

function element(tag: string, className: string, text = ""): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

document.querySelectorAll<HTMLElement>("[data-chat]").forEach((root, at) => {
  new ChatWidget(root, at);
});
