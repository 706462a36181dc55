/** The one door for apps and walras.config.ts: `import { defineApp, integer } from "walras"`. */
export type { Bot, BotChat, BotChatMessage, BotForm, BotLive, BotScript } from "./bots/bot.ts";
export { type Bots, type BotsOptions, defineBots } from "./bots/define-bots.ts";
export { StaleWrite } from "./entities/buffered-view.ts";
export { cu, money, toRealWorldCurrency } from "./entities/cu.ts";
export { now, random } from "./entities/current-view.ts";
export {
  boolean,
  currency,
  type Field,
  float,
  integer,
  json,
  link,
  longText,
  text,
  timestamp,
} from "./entities/fields.ts";
export { currencyRange, sum } from "./entities/money.ts";
export { readCsv } from "./entities/read-csv.ts";
export { assignTreatments, treatmentOf } from "./entities/treatments.ts";
export {
  checkbox,
  dropdown,
  hidden,
  type LikertOptions,
  likert,
  radio,
  radioHorizontal,
  type SliderOptions,
  slider,
  textarea,
  type Widget,
} from "./entities/widgets.ts";
export type { Arrivals } from "./rooms/arrivals.ts";
export type {
  ChatMessage,
  Deliveries,
  ExtraModel,
  Firing,
  Group,
  Messages,
  PageOptions,
  Participant,
  PastGroup,
  PastPlayer,
  PendingTimer,
  Player,
  Row,
  Session,
  Subsession,
  Timer,
  TimerOptions,
} from "./rooms/author-types.ts";
export { toPage } from "./rooms/author-types.ts";
export type { SessionConfig } from "./rooms/calls.ts";
export {
  type App,
  type AppDefinition,
  defineApp,
  type GroupOf,
  type PlayerOf,
  type RowOf,
  type SubsessionOf,
} from "./rooms/define-app.ts";
export type { ArrivedInfo, WaitPageOptions } from "./rooms/define-wait-page.ts";
export type { FieldOptions, FormModel, FormValues } from "./rooms/form-options.ts";
export type { HookCall } from "./rooms/hook-run.ts";
export type { LiveCall } from "./rooms/live-call.ts";
export type { LiveHandler, LiveResult } from "./rooms/live-types.ts";
export * from "./rooms/register.ts";
export type { StandardSchema } from "./rooms/standard-schema.ts";
export type { StateOf } from "./rooms/state-types.ts";
export type { WholeSubsession } from "./rooms/subsession-types.ts";
export type { WaitDecision } from "./rooms/wait-timeouts.ts";
export { type Config, type ConfigDefinition, defineConfig } from "./rooms/walras-config.ts";
