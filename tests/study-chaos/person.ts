import { setTimeout as sleep } from "node:timers/promises";
import { HeadlessParticipant } from "../../client-sdk/headless.ts";
import type { Chance } from "../chaos/chance.ts";
import { ENDOWMENT } from "./project/apps/study/index.ts";

/** What people do on the page with the form, and on the one with a time limit; how often. */
const ON_GIVE = { post: 8, twice: 5, wrong: 4, reload: 3, leave: 3, stale: 3, gone: 1 } as const;
const ON_GUESS = { post: 8, twice: 4, expire: 4, away: 4 } as const;
type Deed = keyof typeof ON_GIVE | keyof typeof ON_GUESS;

/** Pages that have a form with values. */
const PAGE = /\/p\/[^/]+\/(\w+)\/(\w+)\/(\d+)$/;
/** Pages of each round. */
export const PAGES = 6;

/** One valid form that was posted from a page. */
export interface Post {
  readonly round: number;
  readonly page: "Give" | "Guess";
  readonly values: Readonly<Record<string, string>>;
  /** The server said where to go on, so it has the form. */
  acknowledged: boolean;
  /** The page was closed before there was an answer: the form may come into effect after the next page was shown. */
  readonly isLeft: boolean;
}

/** What a participant did and saw. */
export interface PersonHistory {
  readonly code: string;
  readonly posts: Post[];
  /** Indexes of the pages that were shown, in this order. */
  readonly shown: number[];
  /** Pages that were an error, by their status; the server was there, and said no. */
  readonly errors: Record<number, number>;
  readonly did: Record<string, number>;
  /** They have seen the last page, or that the computer has their place. */
  end: "finished" | "replaced" | undefined;
}

/** A participant who walks the study as people do: impatient, clumsy, and back after every error. */
export class Person {
  readonly history: PersonHistory;
  readonly #link: string;
  readonly #chance: Chance;
  readonly #mayGive: (round: number) => boolean;
  readonly #onPage: () => void;
  #tab: HeadlessParticipant | undefined;
  #reloads = 0;
  /** Nobody answered when a page was last asked for. */
  #isLost = true;
  #count = 0;
  #oldForm: string | undefined;

  /**
   * @param link the participant's own
   * @param mayGive whether the time for a round has come, so that the study lasts as long as the attack
   * @param onPage called whenever the server has shown a page
   */
  constructor(link: string, chance: Chance, mayGive: (round: number) => boolean, onPage: () => void) {
    this.#link = link;
    this.#chance = chance;
    this.#mayGive = mayGive;
    this.#onPage = onPage;
    const code = link.split("/").at(-1) ?? "";
    this.history = { code, posts: [], shown: [], errors: {}, did: {}, end: undefined };
  }

  /** Walks to the end of the study. @param isOver gives up where they are */
  async walk(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      if (this.#tab === undefined || this.#isLost) {
        await this.#reload(this.#link);
        continue;
      }
      const { url, status, live } = this.#page;
      const [, , page = "", index = "0"] = PAGE.exec(url) ?? [];
      const round = Math.ceil(Number(index) / PAGES);
      if (url.includes("/OutOfRangeNotification/") && status === 200) {
        this.history.end = this.#tab.page.html.includes("Your place was taken") ? "replaced" : "finished";
        break;
      }
      if (status !== 200 || page === "") await this.#reload();
      else if (page === "Talk") await this.#talk();
      else if (live !== null) await this.#wait();
      else if (page === "Give") await this.#give(round);
      else if (page === "Guess") await this.#guess(round);
      else await this.#load((tab) => tab.submit());
    }
    this.#tab?.close();
  }

  /** The page is closed for longer than the others wait. */
  async #goAway(): Promise<void> {
    this.#tab?.close();
    this.#tab = undefined;
    await sleep(this.#chance.between(12_000, 18_000));
  }

  async #wait(): Promise<void> {
    const tab = this.#tab as HeadlessParticipant;
    if (this.#does("gone waiting", 0.01)) return this.#goAway();
    const isStale = () => tab.status === "closed" || tab.reloadRequests > this.#reloads;
    await tab.until(isStale, this.#chance.between(500, 8_000)).catch(() => {});
    if (isStale() || this.#does("reload", 0.2)) await this.#reload();
    else if (this.#does("cut", 0.1)) tab.cut();
  }

  async #give(round: number): Promise<void> {
    await sleep(this.#chance.between(0, 400));
    if (!this.#mayGive(round)) return;
    const url = this.#page.url;
    const values = { gift: String(this.#chance.whole(0, ENDOWMENT)), note: `${this.history.code} ${++this.#count}` };
    switch (this.#pick(ON_GIVE)) {
      case "wrong":
        await this.#load((tab) => tab.submit({ gift: String(ENDOWMENT + 1), note: "too much" }));
        return;
      case "reload":
        return this.#reload();
      case "gone":
        return this.#goAway();
      case "stale": {
        // A tab from the round before, which was forgotten.
        const old = this.#oldForm;
        if (old !== undefined && old !== url) await this.#send(old, { gift: "1", note: "stale" }).catch(() => {});
        return;
      }
      case "leave":
        // Posted, and the page closed before there is an answer: it counts or not, and what is shown next tells.
        await this.#post(round, "Give", values, { isLeft: true });
        break;
      case "twice":
        await this.#post(round, "Give", values, { times: 2 });
        break;
      default:
        await this.#post(round, "Give", values);
    }
    this.#oldForm = url;
  }

  /** Says something, perhaps without waiting for the answer, and goes on. */
  async #talk(): Promise<void> {
    if (this.#does("gone talking", 0.03)) return this.#goAway();
    const tab = this.#tab as HeadlessParticipant;
    const said = tab.send(1).catch(() => {});
    if (this.#does("say", 0.5)) await Promise.race([said, sleep(5_000)]);
    await this.#load((open) => open.submit());
  }

  async #guess(round: number): Promise<void> {
    const values = { guess: String(++this.#count) };
    const deed = this.#pick(ON_GUESS);
    if (deed === "away") {
      await sleep(this.#chance.between(1_000, 4_000));
      return this.#reload();
    }
    await sleep(deed === "expire" ? 1_500 : this.#chance.between(0, 1_300));
    const form = deed === "expire" ? { ...values, timeout_happened: "1" } : values;
    await this.#post(round, "Guess", form, { times: deed === "twice" ? 2 : 1 });
  }

  /** Posts a form, perhaps twice at the same moment, as by a double click; then sees what is there. */
  async #post(
    round: number,
    page: Post["page"],
    values: Record<string, string>,
    { times = 1, isLeft = false }: { times?: number; isLeft?: boolean } = {},
  ): Promise<void> {
    const post: Post = { round, page, values, acknowledged: false, isLeft };
    this.history.posts.push(post);
    const { url } = this.#page;
    const patience = isLeft ? this.#chance.whole(1, 60) : 30_000;
    const sent = await Promise.allSettled(Array.from({ length: times }, () => this.#send(url, values, patience)));
    post.acknowledged = sent.some((one) => one.status === "fulfilled" && one.value === 303);
    await this.#reload(this.#link);
  }

  /** @returns the status of the answer */
  async #send(url: string, values: Record<string, string>, patience = 30_000): Promise<number> {
    const response = await fetch(url, {
      method: "POST",
      body: new URLSearchParams(values),
      headers: { origin: new URL(url).origin },
      redirect: "manual",
      signal: AbortSignal.timeout(patience),
    });
    await response.body?.cancel();
    return response.status;
  }

  #reload(url: string = this.#page.url): Promise<void> {
    // Whoever has an error page before them takes the link.
    return this.#load((tab) => tab.reload(this.#page.status === 200 ? url : this.#link));
  }

  /** Does something that shows another page, and notes which; where nobody answers, waits a little. */
  async #load(act: (tab: HeadlessParticipant) => Promise<void>): Promise<void> {
    try {
      if (this.#tab === undefined) this.#tab = await HeadlessParticipant.open(this.#link, { record: false });
      else await act(this.#tab);
      this.#isLost = false;
    } catch {
      this.#isLost = true;
      return sleep(this.#chance.between(50, 400));
    }
    this.#reloads = this.#tab.reloadRequests;
    const { url, status } = this.#page;
    // 422: a form with errors, which is a page, too.
    if (status !== 200 && status !== 422) {
      this.history.errors[status] = (this.history.errors[status] ?? 0) + 1;
      return sleep(this.#chance.between(50, 400));
    }
    this.#onPage();
    const index = Number(PAGE.exec(url)?.[3] ?? 0);
    if (index > 0 && this.history.shown.at(-1) !== index) this.history.shown.push(index);
  }

  get #page(): { url: string; status: number; live: unknown } {
    return this.#tab?.page ?? { url: "", status: 0, live: null };
  }

  #pick<T extends Deed>(deeds: Readonly<Record<T, number>>): T {
    const deed = this.#chance.pick(deeds);
    this.#note(deed);
    return deed;
  }

  #does(what: string, share: number): boolean {
    const does = this.#chance.next() < share;
    if (does) this.#note(what);
    return does;
  }

  #note(what: string): void {
    this.history.did[what] = (this.history.did[what] ?? 0) + 1;
  }
}
