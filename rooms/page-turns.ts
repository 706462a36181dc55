import { AuthorError, codeOf, messageOf, WalrasError } from "../client-sdk/errors.ts";
import { BACK_FIELD, type PageFacts, type PageLive, PROTOCOL_VERSION } from "../client-sdk/protocol.ts";
import type { PageEnd, PageSpec } from "../entities/app-spec.ts";
import type { UnitRefusal } from "../entities/committer.ts";
import { constantsForTemplate, forTemplate } from "../entities/handles.ts";
import type { Row } from "../entities/memory.ts";
import { Dice } from "../entities/random.ts";
import type { EntryKind } from "../entities/store.ts";
import type { Value } from "../entities/tables.ts";
import { describe } from "../entities/values.ts";
import { DirectView, runIn } from "../entities/view.ts";
import type { Actor, Outcome, Turn } from "./actor.ts";
import type { Command, Entry, Reply, WaitContext } from "./calls.ts";
import { connects } from "./connects.ts";
import { type Mail, post } from "./deliveries.ts";
import { FORM_TEXTS } from "./form-texts.ts";
import { type FormScene, type Posted, showForm, takeForm } from "./form-turn.ts";
import type { CallHook, FormErrors } from "./page-form.ts";
import { stackOf } from "./refusals.ts";
import { WAIT_TEXTS } from "./wait-texts.ts";

/**
 * A participant's request for a page: start, view, submit, whereabouts. It is one unit like a live
 * message: hooks may read and write, the page is rendered within the turn, and the reply waits until
 * what it shows has committed.
 *
 * Each command says what is to be so, and is safe to repeat: who has moved on already is just sent there.
 */
export class PageTurn implements Turn {
  readonly bytes = 0;
  readonly #command: Command;
  readonly #reply: (reply: Reply) => void;
  readonly #obstacle: () => WalrasError | undefined;
  #spoiled: UnitRefusal | undefined;

  /** @param obstacle why what had to go first was not done: then this is not done either */
  constructor(
    command: Command,
    reply: (reply: Reply) => void,
    obstacle: () => WalrasError | undefined = () => undefined,
  ) {
    this.#command = command;
    this.#reply = reply;
    this.#obstacle = obstacle;
  }

  prepare(actor: Actor): Promise<void> | undefined {
    return actor.adopt(this.#command.participantId);
  }

  run(actor: Actor): Outcome {
    const obstacle = this.#obstacle();
    if (obstacle !== undefined) return this.#say(refusal(obstacle));
    const participant = actor.here(this.#command.participantId);
    if (participant === undefined) return this.#say({ kind: "elsewhere" });
    actor.presence.sign(this.#command.participantId);
    const visit = new Visit(actor, participant, this.#command.kind);
    try {
      if (this.#spoiled !== undefined) throw refusedByStore(this.#spoiled);
      const reply = visit.carryOut(this.#command);
      const left = actor.here(this.#command.participantId) === undefined;
      return visit.outcome(this.#command, () => this.#settle(actor, reply, left));
    } catch (error) {
      visit.drop();
      return this.#say(refused(actor, participant, error));
    }
  }

  spoil(cause: UnitRefusal): void {
    this.#spoiled = cause;
  }

  fail(error: WalrasError): void {
    this.#reply(refusal(error));
  }

  #say(reply: Reply): Outcome {
    return { release: () => this.#reply(reply) };
  }

  /** The reply goes out; who left the group by this turn leaves its memory; tabs on the page that was left are told. */
  #settle(actor: Actor, reply: Reply, left: boolean): void {
    const { participantId } = this.#command;
    for (const connection of actor.gate.connections()) {
      if (connection.participantId === participantId && connection.page !== actor.pageOf(participantId)) {
        actor.gate.reload(connection, "moved_on");
      }
    }
    if (left) actor.depart(participantId);
    this.#reply(reply);
  }
}

function refusal({ code, message, retry }: WalrasError): Reply {
  return { kind: "refused", code, message, retry };
}

/** What one request does within its turn. */
class Visit {
  readonly #actor: Actor;
  readonly #participant: Row;
  readonly #at: number;
  readonly #dice: Dice;
  readonly #view: DirectView;
  readonly #kind: Command["kind"];
  /** What beforeNextPage returned, and the page that it belongs to. */
  #returned: { deliveries: unknown; page: PageSpec } | undefined;

  constructor(actor: Actor, participant: Row, kind: Command["kind"]) {
    this.#actor = actor;
    this.#participant = participant;
    this.#kind = kind;
    this.#at = actor.world.now();
    this.#dice = new Dice(actor.world.newSeed);
    this.#view = new DirectView(actor.memory, {
      what: `${actor.app.name} ${kind}`,
      at: this.#at,
      random: this.#dice.random,
    });
  }

  carryOut(command: Command): Reply {
    if (this.#index === 0 && command.kind !== "whereabouts") {
      this.#start(command.kind === "start" ? command.entry : undefined);
    }
    if (!this.#actor.itinerary.owns(this.#index)) return { kind: "goto", pageIndex: this.#index };
    switch (command.kind) {
      case "start":
        return { kind: "goto", pageIndex: this.#index };
      case "arrive":
        this.#skip();
        return { kind: "goto", pageIndex: this.#index };
      case "whereabouts": {
        if (this.#index === 0) return { kind: "goto", pageIndex: 0 };
        const live = connects(this.#actor.app, this.#page);
        return { kind: "at", pageIndex: this.#index, page: this.#identity, live };
      }
      case "view":
        if (command.pageIndex !== this.#index) return { kind: "goto", pageIndex: this.#index };
        if (this.#skip()) return { kind: "goto", pageIndex: this.#index };
        return this.#render();
      case "submit":
        return command.pageIndex === this.#index
          ? this.#submit(command.form)
          : { kind: "goto", pageIndex: this.#index };
    }
  }

  outcome(command: Command, settle: () => void): Outcome {
    const page = this.#index > 0 && "pageIndex" in command ? this.#identityAt(command.pageIndex) : undefined;
    const mail = this.#mail(page);
    this.#view.finish();
    const { unit } = this.#view;
    if (unit.changes().length === 0) return { unit, release: settle };
    const kind: EntryKind = this.#kind === "whereabouts" || this.#kind === "arrive" ? "view" : this.#kind;
    return {
      unit,
      entry: {
        kind,
        at: this.#at,
        participantId: command.participantId,
        page,
        input: JSON.stringify(command.kind === "submit" ? { ...command, outbox: undefined } : command),
        seed: this.#dice.seed,
        ...mail?.entry,
      },
      release: (seq) => {
        mail?.deliver(seq);
        settle();
      },
    };
  }

  /** What the page that was left sends, to everybody where they are now. */
  #mail(from: string | undefined): Mail | undefined {
    if (this.#returned === undefined) return undefined;
    const { deliveries, page } = this.#returned;
    const player = this.#actor.memory.playerOf(this.#participant.values.id as number)?.values.idInGroup as number;
    return post(this.#actor, deliveries, {
      where: `${this.#actor.app.name}/${page.name} beforeNextPage`,
      player,
      page: from,
    });
  }

  drop(): void {
    this.#view.end();
    this.#view.unit.undo();
  }

  get #index(): number {
    return this.#participant.values.pageIndex as number;
  }

  get #identity(): string {
    return this.#identityAt(this.#index) ?? "";
  }

  get #page(): PageSpec {
    return this.#pageAt(this.#index);
  }

  #pageAt(index: number): PageSpec {
    return this.#actor.itinerary.page(index, this.#participant.values.pageOrder);
  }

  #identityAt(index: number): string | undefined {
    return this.#actor.itinerary.identity(index, this.#participant.values.pageOrder);
  }

  #set(name: "pageIndex" | "startedAt" | "label" | "entry", value: Value): void {
    this.#view.unit.set(this.#participant, name, value);
  }

  #start({ label, parameters }: Entry = {}): void {
    if (label !== undefined && this.#participant.values.label === null) this.#set("label", label);
    if (parameters !== undefined) this.#set("entry", JSON.stringify(parameters));
    this.#set("pageIndex", 1);
    this.#set("startedAt", this.#at);
    this.#skip();
  }

  /** Goes past pages of this group that are not displayed. True if the participant moved. */
  #skip(): boolean {
    const before = this.#index;
    while (this.#actor.itinerary.owns(this.#index) && !this.#isDisplayed(this.#page)) {
      this.#set("pageIndex", this.#index + 1);
    }
    return this.#index !== before;
  }

  #isDisplayed(page: PageSpec): boolean {
    const wait = this.#actor.waits.at(this.#index);
    if (wait !== undefined && this.#actor.waits.isDone(wait)) return false;
    if (wait !== undefined && this.#actor.waits.isLobby(wait)) return true;
    return this.#call(page, "isDisplayed", page.isDisplayed) ?? true;
  }

  #submit(posted: Posted): Reply {
    const page = this.#page;
    // Nobody leaves a wait page by a form.
    if (page.wait !== undefined) return { kind: "goto", pageIndex: this.#index };
    if (BACK_FIELD in posted) return this.#goBack();
    const errors = takeForm(this.#scene(page), posted);
    if (errors !== undefined) return this.#render(posted, errors);
    return this.#leave(page, { timeoutHappened: false });
  }

  /** Where to from this page: to the next one, or to the app that it names. */
  #leave(page: PageSpec, end: PageEnd): Reply {
    this.#returned = { deliveries: this.#call(page, "beforeNextPage", page.beforeNextPage, end), page };
    const { upcomingApps } = this.#actor.itinerary;
    const app = this.#call(page, "appAfterThisPage", page.appAfterThisPage, upcomingApps);
    this.#set("pageIndex", appIndex(this.#actor, page, app) ?? this.#index + 1);
    this.#skip();
    return { kind: "goto", pageIndex: this.#index };
  }

  /** To the page before, if this one allows it. The answers of that page are still there. */
  #goBack(): Reply {
    this.#set("pageIndex", this.#before() ?? this.#index);
    return { kind: "goto", pageIndex: this.#index };
  }

  /** The page of this group to which the participant may go back. */
  #before(): number | undefined {
    if (!this.#page.allowBack) return undefined;
    for (let index = this.#index - 1; index > 0 && this.#actor.itinerary.owns(index); index--) {
      const page = this.#pageAt(index);
      // The group has met since.
      if (page.wait !== undefined) return undefined;
      if (this.#isDisplayed(page)) return index;
    }
    return undefined;
  }

  /** Runs one of the page's hooks on the player. */
  #call<T>(
    page: PageSpec,
    name: string,
    hook: ((player: never, ...more: never[]) => T) | undefined,
    ...more: unknown[]
  ): T | undefined {
    if (hook === undefined) return undefined;
    const where = `${this.#actor.app.name}/${page.name} ${name}`;
    const call = hook as (player: unknown, ...more: unknown[]) => T;
    return this.#actor.world.watchdog.watch(where, () => runIn(this.#view, () => call(this.#player(), ...more)));
  }

  #player() {
    return this.#view.player(this.#playerRow());
  }

  #playerRow(): Row {
    const row = this.#actor.memory.playerOf(this.#participant.values.id as number);
    if (row === undefined) throw new Error("the participant has no player in this group");
    return row;
  }

  #scene(page: PageSpec): FormScene {
    const call: CallHook = (name, hook, ...more) => this.#call(page, name, hook, ...more) as ReturnType<typeof hook>;
    return {
      app: this.#actor.app,
      page,
      view: this.#view,
      player: this.#playerRow(),
      language: { texts: FORM_TEXTS, currency: this.#actor.world.currency },
      call,
    };
  }

  /** @param posted of a failed submit, whose inputs are kept */
  #render(posted?: Posted, errors?: FormErrors): Reply {
    const { app, world } = this.#actor;
    const page = this.#page;
    const vars = this.#variables(page, "varsForTemplate", page.varsForTemplate);
    const jsVars = page.jsVars === undefined ? undefined : this.#variables(page, "jsVars", page.jsVars);
    const form = showForm(this.#scene(page), posted, errors);
    const player = forTemplate(this.#player()) as Record<string, unknown>;
    const live: PageLive | null = !connects(app, page)
      ? null
      : {
          v: PROTOCOL_VERSION,
          page: this.#identity,
          seq: this.#actor.seq,
          now: this.#at,
          seat: null,
          seatUrl: `/p/${this.#participant.values.code}/seat`,
          messageLimit: world.limits.messageBytes,
          history: page.history,
          currency: world.currency,
          ...this.#state(),
        };
    const seatSlot = live === null ? null : `walras-seat-${world.newSecret()}`;
    const { group, session, subsession, participant } = player;
    const { html, nonce } = world.watchdog.watch(`${app.name}/${page.name}.html`, () =>
      runIn(this.#view, () =>
        world.renderer.render({
          app,
          page,
          identity: this.#identity,
          pageIndex: this.#index,
          pageCount: this.#actor.itinerary.length,
          participantCode: this.#participant.values.code as string,
          variables: {
            player,
            group,
            session,
            subsession,
            participant,
            C: constantsForTemplate(app.constants),
            ...vars,
          },
          jsVars,
          live,
          seatSlot,
          ...form,
          wait: this.#waitPage(page),
          canGoBack: this.#before() !== undefined,
          currency: world.currency,
          facts: this.#facts(),
        }),
      ),
    );
    return { kind: "page", html, nonce, live, seatSlot, status: errors === undefined ? 200 : 422 };
  }

  /** For bots, who play in demo sessions only. */
  #facts(): PageFacts | undefined {
    const { memory, itinerary, actorId } = this.#actor;
    if (memory.session.isDemo !== true) return undefined;
    const page = this.#page;
    return {
      ...(page.live === undefined ? {} : { live: true }),
      ...(page.wait === undefined ? {} : { wait: true }),
      page: this.#identity,
      index: this.#index,
      pages: itinerary.length,
      participant: this.#participant.values.idInSession as number,
      idInGroup: (memory.playerOf(this.#participant.values.id as number)?.values.idInGroup as number) ?? null,
      group: actorId,
    };
  }

  #waitPage(page: PageSpec): WaitContext | undefined {
    const { memory, waits } = this.#actor;
    const wait = waits.at(this.#index);
    if (wait === undefined) return undefined;
    waits.look(wait);
    const text = (name: "title" | "body", standard: string): string => {
      const given = wait.wait[name];
      return String((typeof given === "function" ? this.#call(page, name, given) : given) ?? standard);
    };
    return {
      title: text("title", WAIT_TEXTS.title),
      body: text("body", WAIT_TEXTS.body(memory.players.length - 1)),
      line: waits.line(wait),
    };
  }

  #state(): Pick<PageLive, "state"> {
    const { published, memory } = this.#actor;
    const player = memory.playerOf(this.#participant.values.id as number);
    return published === undefined || player === undefined
      ? {}
      : { state: published.rendered(player.values.idInGroup as number) };
  }

  #variables(page: PageSpec, name: string, hook: PageSpec["varsForTemplate"]): Record<string, unknown> {
    const vars = this.#call(page, name, hook);
    if (vars === undefined) return {};
    if (typeof vars !== "object" || vars === null || Array.isArray(vars)) {
      throw new AuthorError(
        "wrong_variables",
        `${this.#actor.app.name}/${page.name}: ${name} did not return an object of variables, e.g. { price: 5 }.`,
      );
    }
    return forTemplate(vars) as Record<string, unknown>;
  }
}

/** Index of the app that appAfterThisPage named; undefined: it named none. @throws AuthorError `unknown_app` */
function appIndex(actor: Actor, page: PageSpec, named: unknown): number | undefined {
  if (named === undefined || named === null) return undefined;
  const { upcomingApps } = actor.itinerary;
  if (typeof named === "string" && upcomingApps.includes(named)) return actor.itinerary.beginningOf(named);
  const cure = upcomingApps.length === 0 ? "No app comes after this one" : `Return one of ${upcomingApps.join(", ")}`;
  throw new AuthorError(
    "unknown_app",
    `${actor.app.name}/${page.name}: appAfterThisPage gave ${describe(named)}. ${cure}, or nothing for the next page.`,
  );
}

function refused(actor: Actor, participant: Row, error: unknown): Reply {
  const index = participant.values.pageIndex as number;
  actor.world.log.error("a page failed", {
    page: actor.itinerary.identity(Math.max(index, 1), participant.values.pageOrder),
    error: messageOf(error),
    stack: stackOf(error),
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
