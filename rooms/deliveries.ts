import type { AppSpec } from "../entities/app-spec.ts";
import { ELSEWHERE } from "../entities/store.ts";
import type { Actor } from "./actor.ts";
import { type Addressed, address, payloadToJson } from "./addresses.ts";
import type { Answered } from "./gate.ts";
import { type CallOutput, NOTHING } from "./live-call.ts";
import { isStandardSchema, parseOwn, type StandardSchema } from "./standard-schema.ts";
import type { EntryDraft } from "./turn.ts";

/** One payload, who gets it, and on which page. */
export interface Outgoing {
  /** idInGroup of each recipient, ascending. */
  readonly to: readonly number[];
  /** `app/round/Page`: where they are. */
  readonly page: string;
  /** JSON text of the payload. */
  readonly text: string;
}

/**
 * What a hook's return value becomes. Any turn that runs a hook uses it so:
 *
 * ```ts
 * const mail = post(actor, returned, { where: `${app}/timer close` });
 * return { unit, entry: { kind, at, ...mail.entry }, release: (seq) => mail.deliver(seq) };
 * ```
 */
export interface Mail {
  readonly outgoing: readonly Outgoing[];
  /** `output` of the unit's journal entry, and its `page` where the sender named none. */
  readonly entry: Pick<EntryDraft, "output" | "page">;
  /** Lets it out through the gate, when the unit has committed; with the sender's answer, if there is one. */
  deliver(seq: number, reply?: Answered): void;
}

/** Whose hook it was. */
export interface Sender {
  /** Names the hook in errors, e.g. `auction/Bidding live`. */
  readonly where: string;
  /** idInGroup of the player for whom it ran: whom `others` leaves out. Undefined: nobody, as in a timer. */
  readonly player?: number | undefined;
  /** `app/round/Page` from which it is sent, for the journal. */
  readonly page?: string | undefined;
  /**
   * "sender": what is not addressed by toPage goes to those who are on the sender's `page`, as from a live
   * method. "recipient" (the default): to everybody on whichever page they are.
   */
  readonly reach?: "sender" | "recipient";
  /** What the journal's output says beside the deliveries. */
  readonly rest?: Omit<RecordedOutput, "d" | "w"> | undefined;
}

/**
 * Routes what a hook returned to the members who are there to get it. Call it at the end of the unit, when
 * everybody is where the unit leaves them.
 *
 * @throws AuthorError as {@link address}; `does_not_fit` with the path and the rule, if the page has a schema for what it is sent
 */
export function post(actor: Actor, returned: unknown, sender: Sender): Mail {
  return send(actor, addressFrom(actor, returned, sender), sender);
}

/** The first half of {@link post}: reads what a hook returned. */
export function addressFrom(actor: Actor, returned: unknown, { where, player }: Sender): Addressed[] {
  const { app, players } = actor.memory;
  return address(returned, { app, groupSize: players.length, sender: player, where });
}

/** The second half of {@link post}: finds those who are there now. */
export function send(actor: Actor, addressed: readonly Addressed[], sender: Sender): Mail {
  const outgoing = present(actor, addressed, sender);
  const first = outgoing[0]?.page;
  const page = sender.page ?? (outgoing.every((one) => one.page === first) ? first : undefined);
  return {
    outgoing,
    entry: { page, output: outputToJson(outgoing, page, sender.rest) },
    deliver(seq, reply) {
      if (outgoing.length > 0 || reply !== undefined) actor.gate.deliver(seq, outgoing, reply);
    },
  };
}

function present(actor: Actor, addressed: readonly Addressed[], { page, reach, where }: Sender): Outgoing[] {
  const outgoing: Outgoing[] = [];
  for (const { to, text, page: named } of addressed) {
    const only = named !== undefined ? actor.itinerary.identityOf(named) : reach === "sender" ? page : undefined;
    if (only !== undefined) {
      const there = to.filter((id) => actor.pageOfPlayer(id) === only);
      if (there.length > 0) outgoing.push({ to: there, page: only, text: fitting(actor, only, text, where) });
      continue;
    }
    const byPage = new Map<string, number[]>();
    for (const id of to) {
      const at = actor.pageOfPlayer(id);
      if (at === undefined) continue;
      const there = byPage.get(at);
      if (there === undefined) byPage.set(at, [id]);
      else there.push(id);
    }
    for (const [at, there] of byPage) outgoing.push({ to: there, page: at, text: fitting(actor, at, text, where) });
  }
  return outgoing;
}

/** A payload as the schema of what its page sends gives it. @throws AuthorError `does_not_fit` */
function fitting(actor: Actor, identity: string, text: string, where: string): string {
  const sends = sendSchemas(actor.app).get(identity.slice(identity.lastIndexOf("/") + 1));
  if (sends === undefined) return text;
  const what = `${where}: the message to page ${identity}`;
  return payloadToJson(parseOwn(sends, JSON.parse(text), what), what);
}

/** By name of page; most apps have none. */
const sendSchemasByApp = new WeakMap<AppSpec, ReadonlyMap<string, StandardSchema>>();

function sendSchemas(app: AppSpec): ReadonlyMap<string, StandardSchema> {
  let schemas = sendSchemasByApp.get(app);
  if (schemas === undefined) {
    schemas = new Map(app.pages.flatMap(({ name, sends }) => (isStandardSchema(sends) ? [[name, sends]] : [])));
    sendSchemasByApp.set(app, schemas);
  }
  return schemas;
}

/** What the journal keeps of a unit's output, and catch-up reads again. */
export interface RecordedOutput extends CallOutput {
  /** Stands first: some deliveries went to other pages than the entry's own; see {@link ELSEWHERE}. */
  w?: 1;
  /** `p`: page of the recipients, where it is not the entry's. */
  d?: { to: number[]; p?: string; m: unknown }[];
  /** Set: the message was refused with this. */
  e?: { code: string; message: string };
}

/**
 * JSON text of {@link RecordedOutput}, made of payload texts that exist already.
 *
 * @param page the entry's
 * @param rest what the output says beside the deliveries
 */
export function outputToJson(
  outgoing: readonly Outgoing[],
  page: string | undefined,
  rest: Omit<RecordedOutput, "d" | "w"> = NOTHING,
): string | null {
  const others = rest === NOTHING ? "{}" : JSON.stringify(rest);
  if (outgoing.length === 0) return others === "{}" ? null : others;
  let text = outgoing.every((one) => one.page === page) ? "{" : `${ELSEWHERE},`;
  text += '"d":[';
  for (let i = 0; i < outgoing.length; i++) {
    const one = outgoing[i] as Outgoing;
    const at = one.page === page ? "" : `,"p":${JSON.stringify(one.page)}`;
    text += `${i > 0 ? "," : ""}{"to":[${one.to.join(",")}]${at},"m":${one.text}}`;
  }
  return others === "{}" ? `${text}]}` : `${text}],${others.slice(1)}`;
}

/** The deliveries of a journal entry, as they were. */
export function outputOf(entry: { readonly output: string | null; readonly page: string | null }): Outgoing[] {
  if (entry.output === null) return [];
  const { d = [] } = JSON.parse(entry.output) as RecordedOutput;
  return d.flatMap(({ to, p, m }) => {
    const page = p ?? entry.page;
    return page === null ? [] : [{ to, page, text: JSON.stringify(m) }];
  });
}
