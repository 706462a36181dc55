/**
 * What a page's live method takes and sends, for the compiler alone. `app.page(...)` gives a {@link LivePage} that
 * carries these types; `typeof` it, and {@link LiveOf} is the page's connection as a typed client sees it:
 *
 * ```ts
 * import type { LiveOf } from "walras/client";
 * import type { bidding } from "./index.ts"; // export const bidding = app.page("Bidding", { ... })
 * declare const live: LiveOf<typeof bidding>;
 * ```
 */
export interface LiveTypes {
  /** What liveSend takes. */
  message: unknown;
  /** What the promise of liveSend resolves to. */
  reply: unknown;
  /** What liveRecv gets. */
  delivery: unknown;
  /** By type of message: the data of `live.call(type, data)`, and what its promise resolves to. */
  calls: { [type: string]: { data: unknown; reply: unknown } };
}

/** A page of an app, as `app.page(...)` gives it. */
export interface LivePage<T extends LiveTypes = LiveTypes> {
  readonly app: string;
  readonly name: string;
  /** Never there: the types that it carries. */
  readonly "~live"?: T | undefined;
}

type TypesOf<P> = P extends { readonly "~live"?: infer T } ? Extract<T, LiveTypes> : never;

/** What `liveSend` takes on a page: `MessageOf<typeof bidding>`. */
export type MessageOf<P extends LivePage> = TypesOf<P>["message"];
/** What `liveRecv` gets on a page: `DeliveryOf<typeof bidding>`. */
export type DeliveryOf<P extends LivePage> = TypesOf<P>["delivery"];
/** The types of message that `live.call` takes on a page. */
export type CallTypeOf<P extends LivePage> = keyof TypesOf<P>["calls"] & string;
/** The data of `live.call(type, data)`. */
export type CallDataOf<P extends LivePage, T extends CallTypeOf<P>> = TypesOf<P>["calls"][T]["data"];
/** What `live.call(type, data)` resolves to; without a type, what `liveSend` does. */
export type ReplyOf<P extends LivePage, T extends CallTypeOf<P> | undefined = undefined> =
  T extends CallTypeOf<P> ? TypesOf<P>["calls"][T]["reply"] : TypesOf<P>["reply"];

/** Data without a field that must be given may be left out. */
type CallArguments<D> = unknown extends D ? [data?: object] : Record<never, never> extends D ? [data?: D] : [data: D];

/** The connection of a page, as far as its types go: `live` in the browser. */
export interface LiveOf<P extends LivePage> {
  /** As `liveSend(data)`; rejects with a WalrasError if the message is refused. */
  send(data: MessageOf<P>): Promise<ReplyOf<P>>;
  /** `send` of `{ type, ...data }`. */
  call<T extends CallTypeOf<P>>(type: T, ...data: CallArguments<CallDataOf<P, T>>): Promise<ReplyOf<P, T>>;
}

/** As {@link LiveOf}, for bots and headless participants, which wait for deliveries one by one. */
export interface LiveConnection<P extends LivePage> extends LiveOf<P> {
  /** The next delivery that nobody has taken and that matches. It rejects if none comes in time. */
  receive(matches?: (data: DeliveryOf<P>) => boolean, options?: { timeoutMs?: number }): Promise<DeliveryOf<P>>;
}

/** What {@link typedLive} takes: a headless participant, or a bot's `live`. */
export interface UntypedLive {
  send(data: unknown): Promise<unknown>;
  call(type: string, data?: object): Promise<unknown>;
  receive(matches?: (data: unknown) => boolean, options?: { timeoutMs?: number }): Promise<unknown>;
}

/** A connection as its page's types say it is; the server holds each message to them. */
export function typedLive<P extends LivePage>(live: UntypedLive): LiveConnection<P> {
  return live as LiveConnection<P>;
}
