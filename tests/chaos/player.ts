import { setTimeout as sleep } from "node:timers/promises";
import { Chance } from "./chance.ts";
import { ACTIONS, type Action, Tab } from "./tab.ts";

export interface PlayerOptions {
  readonly name: string;
  readonly seed: number;
  /** Milliseconds between two things that a tab does, on average. */
  readonly pace: number;
  /** The page on which the group should be by now, from 1. */
  target(): number;
  onAnswer(): void;
}

/** A participant with a tab of their own, and now and then a second one. */
export class Player {
  readonly tabs: Tab[] = [];
  /** What they did, for the record. */
  readonly did: Record<Action | "submit", number>;
  readonly #options: PlayerOptions;
  readonly #others = new Set<Promise<void>>();

  constructor(options: PlayerOptions) {
    this.#options = options;
    this.did = { send: 0, burst: 0, cut: 0, reload: 0, wander: 0, duplicate: 0, nap: 0, wait: 0, submit: 0 };
  }

  /** Opens the participant's link. */
  async open(link: string): Promise<void> {
    this.tabs.push(await Tab.open(link, this.#tabOptions()));
  }

  /** Plays while `isOn` says so. */
  async play(isOn: () => boolean): Promise<void> {
    const [tab] = this.tabs;
    if (tab === undefined) throw new Error("open() comes first");
    await this.#use(tab, "main", isOn);
    await Promise.all(this.#others);
  }

  /** The tab that stays to the end. */
  get main(): Tab | undefined {
    return this.tabs[0];
  }

  async #use(tab: Tab, name: string, isOn: () => boolean): Promise<void> {
    const { seed, pace, target } = this.#options;
    const chance = new Chance(seed, `${this.#options.name} ${name}`);
    while (isOn()) {
      await sleep(chance.between(0, 2 * pace));
      const action = chance.pick(ACTIONS);
      // Not at once: the others of the group go on sending to a page that is being left.
      if (tab.pageIndex < target() && chance.next() < 0.3) {
        this.did.submit += 1;
        await tab.goOn();
      } else if (action !== "duplicate") {
        this.did[action] += 1;
        await tab.act(action);
      } else if (this.#others.size === 0) {
        this.did.duplicate += 1;
        const other = this.#second(tab, chance.whole(3, 30), isOn);
        this.#others.add(other);
        void other.finally(() => this.#others.delete(other));
      }
    }
  }

  /** A duplicate of a tab, closed after so many things have been done in it. */
  async #second(tab: Tab, steps: number, isOn: () => boolean): Promise<void> {
    const other = await tab.duplicate(this.#tabOptions());
    this.tabs.push(other);
    let left = steps;
    await this.#use(other, `tab ${this.tabs.length}`, () => left-- > 0 && isOn());
    other.close();
  }

  #tabOptions() {
    const { name, seed, onAnswer } = this.#options;
    const own = `${name}t${this.tabs.length + 1}`;
    return { name: own, chance: new Chance(seed, own), onAnswer };
  }
}
