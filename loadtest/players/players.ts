import type { Bots } from "../../bots/define-bots.ts";
import { locateIn } from "../../bots/locate.ts";
import { codeOf, messageOf } from "../../client-sdk/errors.ts";
import type { Place, Played, Target } from "../target.ts";
import { Exit } from "./exit.ts";
import { GroupWatch } from "./group-watch.ts";
import { Arrivals, type PaceOptions, Sleepers } from "./pace.ts";
import { Participant } from "./participant.ts";
import { LOST_AFTER_MS, Tally, type TallySample } from "./tally.ts";

/** What one process is to play. */
export interface PlayersOptions extends PaceOptions, Played {
  root: string;
  place: Place;
  /** Groups that this process plays at the same time. */
  groups: number;
  seed: number;
  /** Participants who come in at the same time. */
  admittedTogether: number;
  /** After the time is up the run ends when no script has come to its end for so long, in milliseconds. */
  graceMs: number;
}

/** Turns of an open loop that were due before the time was up may still begin for so long, in milliseconds. */
const OVERTIME_MS = 8_000;
/** Waits at the end of the turns, in milliseconds: for bots in a turn and their answers, for the last deliveries. */
const REST = { answers: LOST_AFTER_MS + 1_000, quiet: 300 };
/** The last check: so many new connections at a time, and so long for all. */
const AUDIT = { together: 32, ms: 10_000 };

/**
 * The groups that one process plays. A group whose script has no turns is played over and over in fresh
 * sessions; one in which a bot failed is not played again.
 */
export class Players {
  readonly tally = new Tally();
  admitted = 0;
  failedToEnter = 0;
  playing = 0;
  finished = 0;
  readonly #options: PlayersOptions;
  readonly #bots: ReadonlyMap<string, Bots>;
  readonly #target: Target;
  readonly #groups = new Map<string, GroupWatch>();
  readonly #here = new Set<Participant>();
  readonly #sleepers = new Sleepers();
  /** Links of groups that have not been played, and the session that is being made for more. */
  #links: string[][] = [];
  #more: Promise<void> | undefined;
  #slots: { number: number; members: Participant[] }[] = [];
  #until = Number.POSITIVE_INFINITY;
  #isQuick = false;
  #rest: Promise<void> | undefined;
  #isResting = false;
  /** After the turns, groups go on to their last pages. */
  readonly #exit: Exit;
  /** When a bot came to its end last, or all had rested. */
  #progressAt = 0;
  #ended = false;

  constructor(options: PlayersOptions, bots: ReadonlyMap<string, Bots>, target: Target) {
    this.#options = options;
    this.#bots = bots;
    this.#target = target;
    this.#exit = new Exit(Math.max(1, Math.floor(options.admittedTogether / options.players)));
  }

  /** Everybody of the first sessions comes in. @param links of each group's participants */
  async admit(links: string[][]): Promise<void> {
    const { groups } = this.#options;
    this.#links = [...links];
    for (let number = 0; number < groups; number++) {
      this.#slots.push({ number, members: await this.#invite(number, 0) });
    }
    const all = this.#slots.flatMap(({ members }) => members);
    const enter = async (): Promise<void> => {
      for (let next = all.shift(); next !== undefined && !this.#ended; next = all.shift()) await this.#enter(next);
    };
    await Promise.all(Array.from({ length: this.#options.admittedTogether }, enter));
  }

  /** All scripts begin now. */
  async play(seconds: number): Promise<void> {
    const now = performance.now();
    this.#until = Math.min(this.#until, now + seconds * 1000);
    const timeUp = setTimeout(() => this.#sleepers.wakeAll(), this.#until - now);
    const all = Promise.all(this.#slots.map((slot) => this.#playSlot(slot)));
    const late = new Promise<void>((resolve) => {
      this.#cutOff = resolve;
    });
    const watch = setInterval(() => {
      const since = this.#isResting ? Number.POSITIVE_INFINITY : Math.max(this.#until, this.#progressAt);
      if (performance.now() > since + this.#options.graceMs) this.#cutOff();
    }, 250);
    await Promise.race([all, late]);
    clearTimeout(timeUp);
    clearInterval(watch);
    this.#end();
    for (const group of this.#groups.values()) group.sweep(performance.now(), true);
  }

  stop(quick: boolean): void {
    this.#until = Math.min(this.#until, performance.now());
    this.#isQuick ||= quick;
    this.#sleepers.wakeAll();
    if (quick) this.#exit.open();
    if (quick) setTimeout(() => this.#cutOff(), 1_000);
  }

  sample(): TallySample {
    const now = performance.now();
    for (const [room, group] of this.#groups) {
      group.sweep(now);
      if (group.members === 0) this.#groups.delete(room);
    }
    return this.tally.take();
  }

  #cutOff = (): void => this.#end();

  /** Whoever is still playing has had their time. */
  #end(): void {
    this.#ended = true;
    const isEarly = this.#isQuick;
    for (const participant of this.#here) {
      if (!isEarly && participant.state === "playing") {
        const error = participant.stuck();
        this.tally.error("bot", error.code, error.message);
      }
      participant.freeze();
      participant.close();
    }
    this.#here.clear();
  }

  get #isOver(): boolean {
    return performance.now() >= this.#until;
  }

  async #playSlot(slot: { number: number; members: Participant[] }): Promise<void> {
    for (let time = 1; ; time++) {
      const ends = await Promise.all(slot.members.map((member) => this.#playOne(member)));
      for (const member of slot.members) {
        member.close();
        this.#here.delete(member);
      }
      this.#exit.left(slot.number);
      if (this.#isOver || ends.includes(false)) return;
      try {
        slot.members = await this.#invite(slot.number, time);
      } catch (error) {
        this.tally.error("page", codeOf(error), messageOf(error));
        return;
      }
      await Promise.all(slot.members.map((member) => this.#enter(member)));
    }
  }

  /** @returns false if the bot failed, or was cut off */
  async #playOne(member: Participant): Promise<boolean> {
    if (!this.#here.has(member)) return false;
    this.playing += 1;
    member.state = "playing";
    try {
      await member.play();
      if (this.#ended) return false;
      this.finished += 1;
      return true;
    } catch (error) {
      if (!this.#ended) this.tally.error("bot", codeOf(error), messageOf(error));
      return false;
    } finally {
      member.state = "ended";
      this.#progressAt = performance.now();
      this.playing -= 1;
    }
  }

  async #enter(member: Participant): Promise<void> {
    try {
      await member.open();
      if (this.#ended) return member.close();
      this.#here.add(member);
      this.admitted += 1;
    } catch (error) {
      this.failedToEnter += 1;
      member.close();
      if (!this.#ended) this.tally.error("page", codeOf(error), messageOf(error));
    }
  }

  /** The participants of a group's next session. @throws WalrasError if no session could be made */
  async #invite(slot: number, time: number): Promise<Participant[]> {
    const { root, players, seed, groups, sessionPerGroup } = this.#options;
    while (this.#links.length === 0) {
      this.#more ??= this.#target
        .invite(this.#options, sessionPerGroup ? 1 : groups)
        .then((links) => {
          this.#links = links;
        })
        .finally(() => {
          this.#more = undefined;
        });
      await this.#more;
    }
    const links = this.#links.shift() ?? [];
    return links.map((link, i) => {
      const number = (time * groups + slot) * players + i;
      const ownSeed = (seed + Math.imul(number, 0x9e3779b1)) >>> 0;
      let arrivals: Arrivals | undefined;
      return new Participant({
        link,
        slot,
        number: i + 1,
        seed: ownSeed,
        bots: this.#bots,
        caseNumber: time,
        tally: this.tally,
        groupOf: (roomId) => this.#groupOf(roomId),
        locate: locateIn(root),
        pace: async (participant) => {
          const { rate, arrivals: kind } = this.#options;
          if (rate !== undefined) arrivals ??= new Arrivals(rate, kind, performance.now(), ownSeed ^ 0x5bd1e995);
          return this.#pace(participant, arrivals);
        },
      });
    });
  }

  #groupOf(roomId: string): GroupWatch {
    let group = this.#groups.get(roomId);
    if (group === undefined) {
      group = new GroupWatch(() => this.tally.delivered);
      this.#groups.set(roomId, group);
    }
    return group;
  }

  /** @returns the moment from which the turn's first message counts; undefined: no more turns */
  async #pace(participant: Participant, arrivals: Arrivals | undefined): Promise<number | undefined> {
    if (arrivals === undefined) await this.#ownAnswered(participant);
    const due = arrivals?.next() ?? performance.now();
    const wanted = Math.min(due, this.#until);
    // Timers of whole milliseconds may come early; a message before it is due would look faster than it is.
    for (let wait = wanted - performance.now(); wait > 0 && !this.#isOver; wait = wanted - performance.now()) {
      await this.#sleepers.sleep(Math.ceil(wait));
    }
    participant.sentThisTurn = 0;
    if (!this.#isOver) return due;
    if (arrivals !== undefined && due < this.#until && !this.#isQuick) {
      // It was due and is late: leaving it out would flatter the server.
      if (performance.now() < this.#until + OVERTIME_MS) return due;
      for (let late = due; late < this.#until; late = arrivals.next()) this.tally.counts.unsent += 1;
    }
    participant.state = "resting";
    this.#rest ??= this.#restTogether().finally(() => {
      this.#isResting = false;
      this.#progressAt = performance.now();
    });
    await this.#rest;
    await this.#exit.leave(participant.slot);
    participant.state = "playing";
    return undefined;
  }

  /** Closed loop, also for scripts that do not await their messages, or send none: they must not spin. */
  async #ownAnswered(participant: Participant): Promise<void> {
    if (participant.sentThisTurn === 0) await new Promise((resolve) => setImmediate(resolve));
    while ((participant.page?.waiting ?? 0) > 0 && !this.#isOver) await this.#sleepers.sleep(1);
  }

  /** The load is over: when all is quiet, new connections show whether a delivery was lost at the end. */
  async #restTogether(): Promise<void> {
    if (this.#isQuick) return;
    this.#isResting = true;
    const all = () => [...this.#here];
    const isQuiet = () => all().every((member) => isIdle(member) && (member.page?.waiting ?? 0) === 0);
    await this.#waitFor(isQuiet, REST.answers + (this.#options.rate === undefined ? 0 : OVERTIME_MS));
    if (this.#isQuick) return;
    // What is on its way to one member may have reached another already.
    const quiet = all().filter((member) => this.#isQuietGroup(member));
    for (const { page } of quiet) page?.prepareAudit();
    await new Promise((resolve) => setTimeout(resolve, REST.quiet));
    const end = performance.now() + AUDIT.ms;
    const check = async (): Promise<void> => {
      for (let next = quiet.shift(); next !== undefined; next = quiet.shift()) {
        if (performance.now() > end || this.#isQuick) return;
        await next.audit(end - performance.now());
      }
    };
    await Promise.all(Array.from({ length: AUDIT.together }, check));
  }

  /** Everybody in the participant's group is at rest. */
  #isQuietGroup({ page }: Participant): boolean {
    if (page?.isOpen !== true) return false;
    for (const other of this.#here) if (other.page?.group === page.group && !isIdle(other)) return false;
    return true;
  }

  async #waitFor(condition: () => boolean, ms: number): Promise<void> {
    const end = performance.now() + ms;
    while (!condition() && performance.now() < end && !this.#isQuick) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function isIdle({ state }: Participant): boolean {
  return state === "resting" || state === "ended";
}
