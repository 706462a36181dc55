import { AuthorError } from "../client-sdk/errors.ts";
import type { PinnedPage } from "./app-spec.ts";
import { fieldSpec, text } from "./fields.ts";
import type { Handle } from "./handle.ts";
import { asLabel, LABEL_RULE } from "./labels.ts";
import type { GroupMemory, Row, SessionFacts } from "./memory.ts";
import { inRealWorldCurrency, withParticipationFee } from "./money.ts";
import { type Owner, OwnFields, ownObject } from "./own-fields.ts";
import { subsessionRounds } from "./past-rounds.ts";
import type { Value } from "./tables.ts";
import { checkValue, describe, roundCurrency } from "./values.ts";

const STATUS = fieldSpec(text({ blank: true }), "participant.status");

/** What may be done with what a group shares with others. */
export interface SurroundingsOptions {
  /** Shared by the views of one call that sees several groups. */
  readonly own?: OwnFields;
  /** The call may change the fields of the session and of the round: no other group runs at the same time. */
  readonly mayWriteShared?: boolean;
  /** The players of all groups of the round, where the call sees them. */
  readonly everybody?: (() => readonly Handle[]) | undefined;
  /** Rows have no numbers yet, so that `id` cannot be read. */
  readonly unnumbered?: boolean | undefined;
}

/** The view through which a call sees them. */
interface Access {
  readonly memory: GroupMemory;
  readonly what: string;
  /** @throws AuthorError if the call has ended */
  check(): void;
  read(row: Row, name: string): Value;
  write(row: Row, name: string, value: Value): void;
  builtIn(row: Row, name: string): Value;
}

/** What is around a group and outlives it, as one call sees it: the persons behind its players, the round, the session. */
export class Surroundings {
  readonly #view: Access;
  /** Declared fields of participants, of the session and of the round. */
  readonly #own: OwnFields;
  readonly #objects = new Map<Row, object>();
  readonly #mayWriteShared: boolean;
  readonly #everybody: (() => readonly Handle[]) | undefined;
  readonly #unnumbered: boolean;

  constructor(view: Access, options: SurroundingsOptions) {
    this.#view = view;
    this.#own = options.own ?? new OwnFields();
    this.#mayWriteShared = options.mayWriteShared ?? false;
    this.#everybody = options.everybody;
    this.#unnumbered = options.unnumbered ?? false;
  }

  /** The person behind a player. @param row of the participant */
  participant(row: Row): object {
    const { code, idInSession, entry, startedAt = null } = row.values;
    const parameters: unknown = typeof entry === "string" ? JSON.parse(entry) : {};
    const { session } = this.#view.memory;
    const payoff = () => this.#payoff(row);
    const where = () => placeOf(this.#view.memory, this.#view.builtIn(row, "pageIndex") as number);
    const status = {
      get: () => this.#view.builtIn(row, "status"),
      set: (value: unknown) => this.#writeStatus(row, value),
    };
    const label = {
      get: () => this.#view.builtIn(row, "label"),
      set: (value: unknown) => this.#writeLabel(row, value),
    };
    return this.#ownObject(row, "participant", {
      ...{ code, idInSession, entry: parameters, timeStarted: startedAt, visited: startedAt !== null },
      get label() {
        return label.get();
      },
      set label(value: unknown) {
        label.set(value);
      },
      get isOnWaitPage() {
        return where() === "waiting";
      },
      get finished() {
        return where() === "finished";
      },
      get status() {
        return status.get();
      },
      set status(value: unknown) {
        status.set(value);
      },
      get payoff() {
        return payoff();
      },
      get payoffInRealWorldCurrency() {
        return inRealWorldCurrency(payoff(), session);
      },
      get payoffPlusParticipationFee() {
        return withParticipationFee(payoff(), session);
      },
    });
  }

  /** The sum over all apps and rounds: what was elsewhere when the participant came, and what this group says. */
  #payoff({ values }: Row): number {
    this.#view.check();
    const player = this.#view.memory.playerOf(values.id as number);
    const { payoffElsewhere } = values;
    if (player === undefined || typeof payoffElsewhere !== "number") {
      throw new AuthorError(
        "field_not_set",
        `${this.#view.what}: participant.payoff, over all apps and rounds, is known on pages and in functions of one group, but not here. Use player.payoff.`,
      );
    }
    return roundCurrency(payoffElsewhere + (this.#view.read(player, "payoff") as number), this.#view.memory.decimals);
  }

  /** Laid out before anybody comes: later, people may have come by their labels. */
  #writeLabel(row: Row, value: unknown): void {
    this.#view.check();
    const where = `${this.#view.memory.app.name}: participant.label`;
    if (!this.#unnumbered) {
      throw new AuthorError("read_only", `${where} can be set in creatingSession(subsession), and nowhere else.`);
    }
    const label = asLabel(value);
    if (label === undefined && value !== null) {
      throw new AuthorError("wrong_label", `${where} was set to ${describe(value)}. ${LABEL_RULE}.`);
    }
    this.#view.write(row, "label", label ?? null);
  }

  /** A word or two for the experimenter. */
  #writeStatus(row: Row, value: unknown): void {
    this.#view.check();
    const where = `${this.#view.memory.app.name}: participant.status`;
    this.#view.write(row, "status", checkValue(STATUS, value, where, this.#view.memory.decimals));
  }

  session(): object {
    const { id, code, config, isDemo, row } = this.#view.memory.session;
    const builtIns = { id, code, config, isDemo: isDemo === true };
    return row === undefined ? builtIns : this.#ownObject(row, "session", builtIns);
  }

  /** This app in this round. */
  subsession(): object {
    const { app, subsession, roundNumber, earlierSubsessions } = this.#view.memory;
    const methods = subsessionRounds(app, roundNumber, earlierSubsessions, () => this.subsession());
    return this.#ownObject(subsession, "subsession", { roundNumber }, methods);
  }

  /** The players of all groups. @throws AuthorError where the call sees one group */
  everybody(what: string): readonly Handle[] {
    this.#view.check();
    if (this.#everybody !== undefined) return this.#everybody();
    throw new AuthorError(
      "one_group",
      `${this.#view.what}: ${what}() has no place here: a group runs beside the others, and sees its own players. Use it in creatingSession(subsession), or in afterAllPlayersArrive(subsession) of a wait page with waitForAllGroups: true, and store there what pages show of it.`,
    );
  }

  /** What was changed in place is not so. */
  forget(): void {
    this.#own.forget();
  }

  #ownObject(row: Row, what: Owner, builtIns: Record<string, unknown>, methods?: Record<string, unknown>): object {
    let object = this.#objects.get(row);
    if (object === undefined) {
      const { app, decimals, session } = this.#view.memory;
      object = ownObject({
        what,
        app: app.name,
        builtIns,
        methods,
        fields: (what === "subsession" ? app.subsession : session.ownFields?.[what]) ?? {},
        decimals,
        values: () => {
          this.#view.check();
          return this.#own.values(row, this.#view.read(row, "fields") as string | null);
        },
        requireWritable: (field) => {
          if (what !== "participant") this.#requireShared(what, field);
        },
      });
      this.#objects.set(row, object);
    }
    return object;
  }

  #requireShared(what: "session" | "subsession", field: string): void {
    if (this.#mayWriteShared) return;
    throw new AuthorError(
      `${what}_read_only`,
      `${this.#view.what}: ${what}${field === "" ? "'s fields" : `.${field}`} cannot be changed here, since other groups read it at the same time. Set it in creatingSession(subsession), or in afterAllPlayersArrive(subsession) of a wait page with waitForAllGroups: true.`,
    );
  }

  /** The fields of participants and of the session that were changed. @throws AuthorError for what is not JSON, or not theirs to change */
  *changed(): Iterable<{ row: Row; text: string }> {
    for (const changed of this.#own.changed()) {
      if (changed.row === this.#view.memory.session.row) this.#requireShared("session", "");
      if (changed.row === this.#view.memory.subsession) this.#requireShared("subsession", "");
      yield changed;
    }
  }
}

/** Pages of sessions, which are many: they are parsed when somebody first asks. */
const pinned = new WeakMap<SessionFacts, readonly PinnedPage[]>();

/** Where in the study a participant of this group is, by their page's index. */
function placeOf({ app, session }: GroupMemory, index: number): "playing" | "waiting" | "finished" {
  let pages = pinned.get(session);
  if (pages === undefined) {
    pages = JSON.parse((session.row?.values.pages ?? "[]") as string) as PinnedPage[];
    pinned.set(session, pages);
  }
  const at = pages[index - 1];
  if (at === undefined) return index > pages.length ? "finished" : "playing";
  // Wait pages are at the same place in everybody's order.
  return at.app === app.name && app.pages.some(({ name, wait }) => name === at.page && wait !== undefined)
    ? "waiting"
    : "playing";
}
