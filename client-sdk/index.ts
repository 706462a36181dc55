/** What tests, bots and load tools import as "walras/client". Browsers get page.ts, bundled by the server. */
export { callMessage } from "./call.ts";
export { type ConnectedLive, connectLive } from "./connect-live.ts";
export { formatCurrency } from "./currency.ts";
export { backoff, type Env, makeClientId, systemEnv } from "./env.ts";
export { AuthorError, codeOf, messageOf, WalrasError } from "./errors.ts";
export { type HeadlessOptions, type HeadlessPage, HeadlessParticipant, type Received } from "./headless.ts";
export { type Json, toJson } from "./json.ts";
export { Link, type LinkOptions, type LinkStatus, linkDefaults } from "./link.ts";
export { LiveClient, type LiveClientOptions, type LiveStatus, storagePrefix } from "./live-client.ts";
export { type GroupState, LiveState, type OnState, type OnValue, type PlayerState } from "./live-state.ts";
export {
  type CallDataOf,
  type CallTypeOf,
  type DeliveryOf,
  type LiveConnection,
  type LiveOf,
  type LivePage,
  type LiveTypes,
  type MessageOf,
  type ReplyOf,
  typedLive,
} from "./live-types.ts";
export {
  MemoryStorage,
  OUTBOX_LIMIT,
  OUTBOX_MESSAGES,
  Outbox,
  type OutboxOptions,
  type OutboxStorage,
  type Settled,
} from "./outbox.ts";
export * from "./protocol.ts";
export { ServerClock } from "./server-clock.ts";
export {
  byteLength,
  decodeMessage,
  encodeFrame,
  openWebSocket,
  type Socket,
  type SocketEvents,
  socketUrl,
  Wire,
  type WireMessage,
} from "./wire.ts";
