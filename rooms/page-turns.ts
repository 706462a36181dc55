import { codeOf, messageOf, WalrasError } from "../client-sdk/errors.ts";
import { BACK_FIELD } from "../client-sdk/protocol.ts";
import type { UnitRefusal } from "../entities/committer.ts";
import { DirectView } from "../entities/direct-view.ts";
import type { Row } from "../entities/memory.ts";
import type { Dice } from "../entities/random.ts";
import type { EntryKind } from "../entities/store.ts";
import type { Actor } from "./actor.ts";
import { advanceWait } from "./advance.ts";
import type { Command, Reply } from "./calls.ts";
import { post } from "./deliveries.ts";
import type { Posted } from "./form-turn.ts";
import { HookedTurn } from "./hooked-turn.ts";
import { HookNeeded, type Hooks } from "./hooks.ts";
import { renderPage } from "./page-rendering.ts";
import { expectOpening, openDeadline, playPage, takePage, timeOut } from "./page-timeouts.ts";
import { PageWalk } from "./page-walk.ts";
import { stackOf } from "./refusals.ts";
import { isReplaced, lookSoon, placeTaken, takePlace } from "./replacement.ts";
import type { Outcome } from "./turn.ts";

/**
 * A participant's request for a page: start, view, submit, whereabouts. It is one unit like a live
 * message: hooks may read and write, the page is rendered within the turn, and the reply waits until
 * what it shows has committed.
 *
 * Each command says what is to be so, and is safe to repeat: who has moved on already is just sent there.
 */
export class PageTurn extends HookedTurn {
  readonly #command: Command;
  readonly #reply: (reply: Reply) => void;
  readonly #obstacle: () => WalrasError | undefined;
  readonly #onWait: (isWaiting: boolean) => void;
  #spoiled: UnitRefusal | undefined;

  /**
   * @param obstacle why what had to go first was not done: then this is not done either
   * @param onWait told when an async hook begins, for which the reply waits, and when it does so no more
   */
  constructor(
    command: Command,
    reply: (reply: Reply) => void,
    obstacle: () => WalrasError | undefined = () => undefined,
    onWait: (isWaiting: boolean) => void = () => {},
  ) {
    super();
    this.#command = command;
    this.#reply = reply;
    this.#obstacle = obstacle;
    this.#onWait = onWait;
  }

  prepare(actor: Actor): Promise<void> | undefined {
    return actor.adopt(this.#command.participantId);
  }

  protected work(actor: Actor): Outcome {
    const obstacle = this.#obstacle();
    if (obstacle !== undefined) return this.#say(refusal(obstacle));
    const participant = actor.here(this.#command.participantId);
    if (participant === undefined) return this.#say({ kind: "elsewhere" });
    if (BY_PEOPLE.has(this.#command.kind)) {
      if (isReplaced(participant)) return this.#say(refusal(placeTaken()));
      actor.presence.sign(this.#command.participantId);
    }
    const visit = new Visit(actor, participant, this.#command.kind, this.hooks);
    try {
      if (this.#spoiled !== undefined) throw refusedByStore(this.#spoiled);
      const reply = visit.carryOut(this.#command);
      const left = !visit.walk.isHere;
      return visit.outcome(this.#command, () => {
        visit.walk.settle(left);
        this.#reply(reply);
      });
    } catch (error) {
      visit.drop();
      if (error instanceof HookNeeded) throw error;
      return this.#say(refused(actor, participant, error));
    }
  }

  protected override waiting(isWaiting: boolean): void {
    this.#onWait(isWaiting);
  }

  spoil(cause: UnitRefusal): void {
    this.#spoiled = cause;
  }

  protected failed(error: WalrasError): void {
    this.#reply(refusal(error));
  }

  #say(reply: Reply): Outcome {
    return { release: () => this.#reply(reply) };
  }
}

/** Commands that come from the participant's browser. */
const BY_PEOPLE: ReadonlySet<Command["kind"]> = new Set(["start", "view", "submit", "whereabouts"]);

function refusal({ code, message, retry }: WalrasError): Reply {
  return { kind: "refused", code, message, retry };
}

/** As what the journal keeps what they did. */
const ENTRIES: Readonly<Record<Command["kind"], EntryKind>> = {
  start: "start",
  arrive: "view",
  view: "view",
  whereabouts: "view",
  submit: "submit",
  advance: "advance",
  computer: "submit",
  replace: "replaced",
};

/** What one request does within its turn. */
class Visit {
  readonly walk: PageWalk;
  readonly #actor: Actor;
  readonly #participant: Row;
  readonly #at: number;
  readonly #dice: Dice;
  readonly #view: DirectView;
  readonly #hooks: Hooks;
  #timeoutHappened = false;
  /** To be done when the unit is stored. */
  #then = (): void => {};

  constructor(actor: Actor, participant: Row, kind: Command["kind"], hooks: Hooks) {
    this.#actor = actor;
    this.#hooks = hooks;
    this.#participant = participant;
    this.#at = actor.world.now();
    this.#dice = hooks.dice(actor);
    this.#view = new DirectView(actor.memory, {
      what: `${actor.app.name} ${kind}`,
      at: this.#at,
      random: this.#dice.random,
    });
    this.walk = new PageWalk(actor, participant, this.#view, hooks);
  }

  carryOut(command: Command): Reply {
    const { walk } = this;
    const { kind } = command;
    if (walk.index === 0 && kind !== "whereabouts" && kind !== "replace") {
      walk.start(walk.isReplaced ? null : this.#at, kind === "start" ? command.entry : undefined);
    }
    const reply = walk.isHere ? this.#do(command) : undefined;
    if (reply !== undefined) return reply;
    if (walk.isReplaced) {
      if (kind === "computer" && walk.isHere) lookSoon(this.#view, walk.participantId, this.#at);
    } else if (kind !== "whereabouts") expectOpening(walk, this.#at);
    return { kind: "goto", pageIndex: walk.index };
  }

  /** undefined: they are to go where they are now. */
  #do(command: Command): Reply | undefined {
    const { walk } = this;
    switch (command.kind) {
      case "start":
        return undefined;
      case "arrive":
        walk.skip();
        return undefined;
      case "whereabouts": {
        if (walk.index === 0) return undefined;
        return { kind: "at", pageIndex: walk.index, page: walk.identity };
      }
      case "view": {
        if (command.pageIndex !== walk.index || walk.skip()) return undefined;
        const deadline = openDeadline(walk, this.#at);
        if (deadline === undefined || deadline > this.#at) {
          if (command.noScript === true) this.#then = () => this.#actor.waits.seen(walk.participantId);
          return renderPage(walk, this.#at, deadline);
        }
        this.#timeoutHappened = true;
        timeOut(walk, {});
        return undefined;
      }
      case "submit":
        return command.pageIndex === walk.index ? this.#submit(command.form) : undefined;
      case "advance": {
        if (command.pageIndex !== walk.index) return undefined;
        const wait = this.#actor.waits.at(walk.index);
        if (wait !== undefined) this.#then = advanceWait(walk, wait);
        else {
          walk.beginLeaving(true);
          this.#timeoutHappened = true;
          timeOut(walk, {});
        }
        return undefined;
      }
      case "replace":
        if (walk.isReplaced || walk.index < command.before) {
          takePlace(this.#actor, this.#view, this.#participant, this.#at);
        }
        return undefined;
      case "computer":
        if (command.pageIndex !== walk.index || walk.skip() || walk.page.wait !== undefined) return undefined;
        this.#actor.waits.clearFailure(this.#view.unit, walk.identity);
        this.#timeoutHappened = playPage(walk).timeoutHappened;
        return undefined;
    }
  }

  #submit(posted: Posted): Reply | undefined {
    const { walk } = this;
    // Nobody leaves a wait page by a form.
    if (walk.page.wait !== undefined) return undefined;
    if (BACK_FIELD in posted) {
      walk.goBack(Number(posted[BACK_FIELD]));
      return undefined;
    }
    const { errors, timeoutHappened } = takePage(walk, this.#at, posted);
    this.#timeoutHappened = timeoutHappened;
    return errors === undefined
      ? undefined
      : renderPage(walk, this.#at, openDeadline(walk, this.#at), { posted, errors });
  }

  outcome(command: Command, settle: () => void): Outcome {
    const index = "pageIndex" in command ? command.pageIndex : 0;
    const page = index > 0 && this.walk.index > 0 ? this.walk.identityAt(index) : undefined;
    const { sent } = this.walk;
    const mail = sent === undefined ? undefined : post(this.#actor, sent.deliveries, { ...sent, page });
    this.#view.finish();
    const { unit } = this.#view;
    const settled = () => {
      settle();
      this.#then();
    };
    if (unit.changes().length === 0) return { unit, release: settled };
    const { kind } = command;
    return {
      unit,
      entry: {
        kind: ENTRIES[kind],
        at: this.#at,
        participantId: command.participantId,
        page,
        input: JSON.stringify({
          ...command,
          outbox: undefined,
          timeoutHappened: this.#timeoutHappened || undefined,
          asyncHooks: this.#hooks.used || undefined,
        }),
        seed: this.#dice.seed,
        ...mail?.entry,
      },
      release: (seq) => {
        mail?.deliver(seq);
        settled();
      },
    };
  }

  drop(): void {
    this.#view.end();
    this.#view.unit.undo();
  }
}

function refused(actor: Actor, participant: Row, error: unknown): Reply {
  const index = participant.values.pageIndex as number;
  const page = actor.itinerary.identity(Math.max(index, 1), participant.values.pageOrder);
  actor.world.log.error("a page failed", {
    page,
    error: messageOf(error),
    stack: stackOf(error),
  });
  actor.inspection?.failed(error, {
    where: `${page} (the page, or its form)`,
    participantId: participant.values.id as number,
  });
  const retry = error instanceof WalrasError && error.retry;
  const stack = stackOf(error);
  return {
    kind: "refused",
    code: error instanceof WalrasError ? codeOf(error) : "page_error",
    message: messageOf(error),
    retry,
    ...(stack === undefined ? {} : { stack }),
  };
}

function refusedByStore(cause: UnitRefusal): WalrasError {
  const why = cause.why === "data" ? cause.error.message : "the same number was used before";
  return new WalrasError("refused_by_store", `The database refused what the page changed: ${why}`);
}
