import { Chat } from "../client-sdk/chat.ts";
import { WalrasError } from "../client-sdk/errors.ts";
import type { GroupState } from "../client-sdk/live-state.ts";
import type { BotForm } from "./bot.ts";
import { nameIn, valuesOf } from "./form.ts";
import { botLink, type OpenTab, type Tab, type TabChat, type TabEvents } from "./tab.ts";
import { readView, type View } from "./view.ts";

/** A page that does not come in this time will not come any more, in milliseconds. */
const NAVIGATION_MS = 30_000;

/** The tabs by the windows of their frames; the page's script in a frame asks who looks on. */
const tabs = new Set<FrameTab>();
window.walrasOnlooker = (frame) => [...tabs].find((tab) => tab.owns(frame))?.begin(frame);

/**
 * How to open a participant's link in a frame of this page, so that everybody can watch. The bot uses what
 * the page has: its liveSend, its form.
 */
export function frameTab(frame: HTMLIFrameElement, link: string): OpenTab {
  return async (events) => {
    const tab = new FrameTab(frame, events);
    tabs.add(tab);
    await tab.open(link);
    return tab;
  };
}

class FrameTab implements Tab {
  readonly #frame: HTMLIFrameElement;
  readonly #events: TabEvents;
  /** Its page has been submitted, by whomever, and the next one is on its way. */
  #isLeaving = false;
  chats: readonly TabChat[] = [];
  /** Called when a page has come. */
  #arrivals: (() => void)[] = [];
  /** Takes back what waits for an answer that a page can no longer give. */
  #abandon: (() => void)[] = [];

  constructor(frame: HTMLIFrameElement, events: TabEvents) {
    this.#frame = frame;
    this.#events = events;
  }

  async open(link: string): Promise<void> {
    this.#frame.addEventListener("load", this.#onLoad);
    await this.#arrival(() => {
      this.#frame.src = botLink(link);
    });
  }

  owns(frame: Window): boolean {
    return this.#frame.contentWindow === frame;
  }

  /** The first script of a page begins. @returns gets its messages */
  begin(frame: Window): (data: unknown, seq: number) => void {
    // `formdata` fires however a form is submitted; it is the page's own if its script does it.
    frame.document.addEventListener("formdata", (event) => {
      if (event.target instanceof Object && (event.target as Element).getAttribute("id") === "form")
        this.#isLeaving = true;
    });
    return (data, seq) => {
      if (this.owns(frame) && !this.#isLeft(frame)) this.#events.delivery(data, seq);
    };
  }

  send(data: unknown): Promise<unknown> {
    const { liveSend } = this.#window;
    return new Promise((resolve, reject) => {
      // A page that is gone never settles its promises.
      this.#abandon.push(() =>
        reject(new WalrasError("left", "The page was left before the server answered.", { retry: true })),
      );
      liveSend(data).then(resolve, (error: Error & { code?: string }) =>
        reject(new WalrasError(error.code ?? "failed", error.message)),
      );
    });
  }

  get state(): GroupState {
    return this.#window.live.state;
  }

  async submit(given: BotForm, checkHtml: boolean): Promise<void> {
    // The page's own script may have done it already.
    if (this.#isLeaving) return this.#arrival(() => {});
    const form = this.#window.document.querySelector<HTMLFormElement>('form[id="form"]');
    if (form === null) throw new WalrasError("no_form", "the page has no form");
    const answer = fill(form, given, checkHtml);
    // What the browser itself would refuse must reach the server, too.
    form.noValidate = true;
    const button =
      answer ?? form.querySelector<HTMLElement>('button:not([type]), button[type="submit"], input[type="submit"]');
    await this.#arrival(() => {
      if (button === null) form.requestSubmit();
      else button.click();
    });
  }

  close(): void {
    tabs.delete(this);
    this.#frame.removeEventListener("load", this.#onLoad);
  }

  get #window(): Window {
    const frame = this.#frame.contentWindow;
    if (frame === null) throw new WalrasError("no_frame", "the frame is gone");
    return frame;
  }

  #isLeft(frame: Window): boolean {
    return frame.document.defaultView === null;
  }

  readonly #onLoad = (): void => {
    this.#isLeaving = false;
    for (const abandon of this.#abandon.splice(0)) abandon();
    const view = this.#readView();
    this.chats = this.#openChats();
    this.#events.page(view);
    // Ends with the page.
    if (view.connected) this.#window.live.onChange(() => this.#events.state());
    for (const arrived of this.#arrivals.splice(0)) arrived();
  };

  /** Beside those that the page shows to who watches. */
  #openChats(): TabChat[] {
    const { document, walrasClient } = this.#window;
    const boxes = [...document.querySelectorAll<HTMLElement>("[data-chat]")];
    const client = boxes.length === 0 ? null : walrasClient();
    if (client === null) return [];
    return boxes.map(({ dataset }) => new Chat(client, dataset.chat ?? "", { onLine: () => this.#events.chat() }));
  }

  #readView(): View {
    const { document, location, performance } = this.#window;
    const [navigation] = performance.getEntriesByType("navigation");
    const status = navigation !== undefined && "responseStatus" in navigation ? Number(navigation.responseStatus) : 0;
    const view = readView(location.href, status === 0 ? undefined : status, document.documentElement.outerHTML);
    // As the page's script has changed it since.
    return Object.defineProperty({ ...view }, "html", { get: () => document.documentElement.outerHTML });
  }

  /** Does something that leads to another page, and waits for that. */
  #arrival(act: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#arrivals = this.#arrivals.filter((one) => one !== arrived);
        reject(new WalrasError("no_page", `no other page has come within ${NAVIGATION_MS / 1000} s`));
      }, NAVIGATION_MS);
      const arrived = (): void => {
        clearTimeout(timer);
        resolve();
      };
      this.#arrivals.push(arrived);
      act();
    });
  }
}

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement | HTMLButtonElement;

/**
 * Fills in a form as a person would, where that is possible; what no control can hold is posted all the same.
 *
 * @returns the button that is one of the answers, if there is one
 */
function fill(form: HTMLFormElement, given: BotForm, checkHtml: boolean): HTMLElement | undefined {
  const named = form.querySelectorAll<Control>("input[name], select[name], textarea[name], button[name]");
  const controls = [...named].filter(({ type }) => type !== "button" && type !== "reset");
  let answer: HTMLElement | undefined;
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const name = nameIn(controls, key, checkHtml);
    const own = controls.filter((control) => control.name === name);
    const kinds = own.flatMap((control) =>
      control.tagName === "SELECT"
        ? [...(control as HTMLSelectElement).options].map((option) => ({ kind: "select", value: option.value }))
        : [{ kind: control.type, value: control.value }],
    );
    let left = valuesOf(value, kinds);
    for (const control of own) {
      if (control.type !== "submit") left = set(control, left);
      else if (left.includes(control.value)) {
        answer = control;
        left = left.filter((one) => one !== control.value);
      }
    }
    for (const rest of left) {
      for (const control of own) control.disabled = true;
      const hidden = form.ownerDocument.createElement("input");
      Object.assign(hidden, { type: "hidden", name, value: rest });
      form.append(hidden);
    }
  }
  return answer;
}

/** @returns the values that this control cannot hold */
function set(control: Control, values: readonly string[]): string[] {
  let rest = [...values];
  if (control.tagName === "SELECT") {
    for (const option of (control as HTMLSelectElement).options) {
      option.selected = rest.includes(option.value);
      rest = rest.filter((value) => value !== option.value);
    }
  } else if (control.type === "radio" || control.type === "checkbox") {
    (control as HTMLInputElement).checked = rest.includes(control.value);
    rest = rest.filter((value) => value !== control.value);
  } else {
    const [value = "", ...more] = rest;
    control.value = value;
    // Letters in a box for numbers: the browser keeps nothing.
    rest = control.value === value ? more : rest;
  }
  for (const type of ["input", "change"]) {
    control.dispatchEvent(new Event(type, { bubbles: true }));
  }
  return rest;
}
