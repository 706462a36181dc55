import type { LivePage, LiveTypes } from "../client-sdk/live-types.ts";
import type { StaleWrite } from "../entities/buffered-view.ts";
import type { Messages, Silence } from "./author-types.ts";
import type { LiveCall } from "./live-call.ts";
import type { StandardSchema } from "./standard-schema.ts";

/** What a live method may return: messages, or nothing for silence; at once, as a promise, or piece by piece. */
export type LiveResult<S = unknown> =
  | Messages<S>
  | Silence
  | Promise<Messages<S> | Silence>
  | AsyncGenerator<Messages<S> | undefined, Messages<S> | Silence, unknown>;

/** Answers one `liveSend(data)` of a player. */
export type Live<Pl, D, S = unknown, R = unknown> = (player: Pl, data: D, call: LiveCall<R>) => LiveResult<S>;

/**
 * One of several live methods, by the `type` of message:
 * `live: { offer: { message: z.object({ price: z.number() }), handle(player, data, call) { ... } } }`.
 */
export interface LiveHandler<Pl, D, S = unknown, R = unknown> {
  /** What the message must look like beside its `type`. */
  message: StandardSchema<unknown, D>;
  /** What `call.reply(value)` must look like; then each call gives a reply. */
  reply?: StandardSchema<R, unknown> | undefined;
  handle: Live<Pl, D, S, R>;
}

/**
 * Live methods by type of message, as functions or as {@link LiveHandler}s. `D` is what the page's own schema gives
 * (unknown: none), `M` what each handler's gives, `R` the reply of each.
 */
export type LiveByType<Pl, D, S, M, R> = {
  [K in keyof M]: Live<Pl, DataOfType<D, K>, S> | LiveHandler<Pl, M[K], S, K extends keyof R ? R[K] : unknown>;
} & {
  [K in keyof R]:
    | Live<Pl, DataOfType<D, K>, S>
    | { reply?: StandardSchema<R[K], unknown> | undefined; handle: unknown };
};

/** Keeps functions out, which are objects too. */
interface NoFunction {
  [Symbol.hasInstance]?: never;
}

/** Without a schema for the page, a handler says itself what it takes. */
type DataOfType<D, K> = unknown extends D ? never : ExtractLater<D, K>;
type ExtractLater<D, K> = [D] extends [infer E] ? (E extends { type: K } ? E : never) : never;

/** Refuses handlers for types that the page's schema does not know. */
export type KnownTypes<D, L> = unknown extends D
  ? unknown
  : { [K in keyof L]: D extends { type: infer T } ? (K extends T ? unknown : never) : never };

/**
 * What an author says of a page's messages. `I` and `D` are what its message schema takes and gives, `S` and `DS`
 * what the schema of what it sends takes and gives, `R` what its one live method replies; `M`, `RM` and `L` are for
 * live methods by type: messages, replies and the handlers themselves.
 */
export interface LiveOptions<Pl, D, I, S, DS, R, M, RM, L> {
  /**
   * Answers messages of the page's script. A sync function is one unit: it happens whole or not at
   * all. In an async function or async generator, each `yield` ends a unit and sends its deliveries.
   * An object has a function or a {@link LiveHandler} for each `type` of message.
   */
  live?:
    | Live<Pl, D, NoInfer<S>, R>
    | (LiveByType<Pl, D, NoInfer<S>, M, RM> & L & NoFunction & KnownTypes<NoInfer<D>, NoInfer<L>>);
  /** What messages must look like: a schema of zod or any other Standard Schema library. */
  message?: StandardSchema<I, D>;
  /** What the page's `liveRecv` gets must look like: all that is sent to the page is checked. */
  sends?: StandardSchema<S, DS>;
  /**
   * "serial": an async call has the group to itself from its beginning to its end; whatever else comes to the group
   * waits, pages that are loaded included. Left out: the group plays on while a call waits, and a write that would
   * undo somebody else's throws {@link StaleWrite}.
   */
  concurrency?: "serial";
  /**
   * Seconds that an async call may take; then its signal is aborted, and it is ended with the code `time_limit`.
   * Default: 300.
   */
  timeLimit?: number;
}

type Any<T> = [T] extends [never] ? unknown : T;
type WithoutType<T> = unknown extends T ? unknown : T extends object ? Omit<T, "type"> : T;

type MessageOfHandler<H> = H extends { message: StandardSchema<infer I, infer _D> }
  ? I
  : H extends (player: infer _Pl, data: infer D, ...rest: infer _R) => unknown
    ? WithoutType<Any<D>>
    : unknown;

type ReplyOfHandler<H> = H extends { reply: StandardSchema<infer _I, infer R> }
  ? R
  : H extends (player: infer _Pl, data: infer _D, call: LiveCall<infer R>) => unknown
    ? R
    : unknown;

/** The types of a page with one live method. */
export interface OfOne<I, DS, R> extends LiveTypes {
  message: I;
  reply: R;
  delivery: DS;
  calls: [I] extends [{ type: string }]
    ? { [T in I["type"]]: { data: Omit<Extract<I, { type: T }>, "type">; reply: R } }
    : LiveTypes["calls"];
}

/** The types of a page with a live method for each type of message. */
export interface OfTypes<I, DS, L> extends LiveTypes {
  message: unknown extends I ? { [T in keyof L]: { type: T } & MessageOfHandler<L[T]> }[keyof L] : I;
  reply: ReplyOfHandler<L[keyof L]>;
  delivery: DS;
  calls: {
    [T in keyof L & string]: {
      data: unknown extends I ? MessageOfHandler<L[T]> : Omit<Extract<I, { type: T }>, "type">;
      reply: ReplyOfHandler<L[T]>;
    };
  };
}

export type PageOf<I, DS, R, L> = LivePage<L extends (...args: never) => unknown ? OfOne<I, DS, R> : OfTypes<I, DS, L>>;
