import { Link } from "../../client-sdk/link.ts";
import { LiveClient } from "../../client-sdk/live-client.ts";
import { LiveState } from "../../client-sdk/live-state.ts";
import { Outbox } from "../../client-sdk/outbox.ts";
import { Committer } from "../../entities/committer.ts";
import { Unit } from "../../entities/unit.ts";
import { Actor } from "../../rooms/actor.ts";
import { ClientNumbers } from "../../rooms/client-numbers.ts";
import { Gate } from "../../rooms/gate.ts";
import { Mailbox } from "../../rooms/mailbox.ts";
import { Presence } from "../../rooms/presence.ts";
import { PublishedState } from "../../rooms/published-state.ts";
import { TimerIndex } from "../../rooms/timer-index.ts";
import { Turns } from "../../rooms/turns.ts";
import { SimStore } from "./sim-store.ts";

/** One bug, planted into a module while it runs. */
export interface Mutant {
  readonly module: string;
  readonly bug: string;
  /** @returns how to take it out again */
  plant(): () => void;
}

// biome-ignore lint/suspicious/noExplicitAny: bugs are planted where the types would not let anybody in.
type Any = any;

function change(
  target: object,
  method: string,
  make: (original: (...args: Any[]) => Any) => (this: Any, ...args: Any[]) => Any,
) {
  return () => {
    const own = Object.getOwnPropertyDescriptor(target, method) as PropertyDescriptor;
    Object.defineProperty(target, method, { ...own, value: make(own.value) });
    return () => void Object.defineProperty(target, method, own);
  };
}

const newestSeq = new WeakMap<object, number>();

export const MUTANTS: readonly Mutant[] = [
  {
    module: "outbox",
    bug: "what was in flight when a connection broke is not sent again",
    plant: change(Outbox.prototype, "rewind", () => () => {}),
  },
  {
    module: "outbox",
    bug: "a message leaves the storage when it is sent, not when it is answered",
    plant: change(
      Outbox.prototype,
      "store",
      (store) =>
        function (entry) {
          store.call(this, entry);
          this.options.storage.remove(entry.storageKey);
        },
    ),
  },
  {
    module: "outbox",
    bug: "the first message of a page does not name the one before it",
    plant: change(Outbox.prototype, "before", () => () => ""),
  },
  {
    module: "link",
    bug: "silence is not noticed",
    plant: change(Link.prototype, "silenceDue", () => () => Number.POSITIVE_INFINITY),
  },
  {
    module: "link",
    bug: "a link that was closed with the retry code stays closed",
    plant: change(
      Link.prototype,
      "fail",
      (fail) =>
        function (code) {
          fail.call(this, code);
          if (code === 4010) this.cancelTimer();
        },
    ),
  },
  {
    module: "live-client",
    bug: "an answer that rides on a delivery is not taken",
    plant: change(
      LiveClient.prototype,
      "deliver",
      (deliver) =>
        function (frame) {
          deliver.call(this, { ...frame, a: undefined });
        },
    ),
  },
  {
    module: "live-client",
    bug: "a returning page says that it has seen nothing since it was loaded",
    plant: change(
      LiveClient.prototype,
      "deliver",
      (deliver) =>
        function (frame) {
          deliver.call(this, { ...frame, p: 0 });
          this.seen = this.options.live.seq;
        },
    ),
  },
  {
    module: "actor",
    bug: "an actor that was taken over goes on",
    plant: change(Actor.prototype, "stale", () => () => {}),
  },
  {
    module: "actor",
    bug: "a unit that the database refused stays in memory",
    plant: change(Unit.prototype, "undo", () => () => {}),
  },
  {
    module: "actor",
    bug: "messages that were taken back are not run again",
    plant: change(Mailbox.prototype, "again", () => () => {}),
  },
  {
    module: "client-numbers",
    bug: "a number that came before the one in front of it is taken",
    plant: change(
      ClientNumbers.prototype,
      "check",
      (check) =>
        function (...args) {
          const answer = check.call(this, ...args);
          return answer === "early" ? "next" : answer;
        },
    ),
  },
  {
    module: "client-numbers",
    bug: "a number that was used is not taken back with its unit",
    plant: change(
      ClientNumbers.prototype,
      "use",
      (use) =>
        function (...args) {
          use.call(this, ...args);
          return () => {};
        },
    ),
  },
  {
    module: "client-numbers",
    bug: "what the journal says of a client is not read",
    plant: change(
      ClientNumbers.prototype,
      "learn",
      (learn) =>
        function (participantId, clientId) {
          learn.call(this, participantId, clientId, 0);
        },
    ),
  },
  {
    module: "committer",
    bug: "a unit counts as committed when it is handed over",
    plant: change(
      Committer.prototype,
      "add",
      (add) =>
        function (owner, unit) {
          add.call(this, owner, unit);
          queueMicrotask(() => owner.committed(unit));
        },
    ),
  },
  {
    module: "committer",
    bug: "an unknown outcome counts as done",
    plant: change(SimStore.prototype, "owners", () => async (entries) => entries),
  },
  {
    module: "committer",
    bug: "a unit that is refused is dropped without a word",
    plant: change(Turns.prototype, "refused", () => () => {}),
  },
  {
    module: "published-state",
    bug: "who comes sees what is not stored yet",
    plant: change(
      PublishedState.prototype,
      "snapshot",
      () =>
        function (id) {
          return JSON.stringify(this.rendered(id));
        },
    ),
  },
  {
    module: "published-state",
    bug: "a player is not told of their own fields",
    plant: change(
      PublishedState.prototype,
      "commit",
      (commit) =>
        function (seq, changes) {
          const change = commit.call(this, seq, changes);
          return change && { ...change, own: new Map() };
        },
    ),
  },
  {
    module: "live-state",
    bug: "a page that comes back keeps the state that it had",
    plant: change(
      LiveState.prototype,
      "apply",
      (apply) =>
        function (frame) {
          if (frame.f !== 1) apply.call(this, frame);
        },
    ),
  },
  {
    module: "presence",
    bug: "nobody is missed after a restart",
    plant: change(Presence.prototype, "begin", () => () => {}),
  },
  {
    module: "presence",
    bug: "whoever closes the last tab stays connected",
    plant: change(Presence.prototype, "leave", () => () => {}),
  },
  {
    module: "gate",
    bug: "who returns is not caught up",
    plant: () => {
      const undo = [
        change(
          Gate.prototype,
          "deliver",
          (deliver) =>
            function (seq, ...rest) {
              newestSeq.set(this, seq);
              deliver.call(this, seq, ...rest);
            },
        )(),
        change(
          Gate.prototype,
          "hello",
          (hello) =>
            function (connection, seen, history) {
              return hello.call(this, connection, Math.max(seen, newestSeq.get(this) ?? 0), history);
            },
        )(),
      ];
      return () => {
        for (const take of undo) take();
      };
    },
  },
  {
    module: "timer-index",
    bug: "what is due next in a group is not looked at",
    plant: change(TimerIndex.prototype, "look", () => () => {}),
  },
  {
    module: "timer-index",
    bug: "a group of which a timer has fired waits for no other",
    plant: change(TimerIndex.prototype, "begun", () => () => {}),
  },
  {
    module: "timer-turn",
    bug: "the unit of a firing does not take the timer away",
    plant: change(
      Unit.prototype,
      "changes",
      (changes) =>
        function () {
          return changes.call(this).filter((one: Any) => one.op !== "delete" || one.table.name !== "timer");
        },
    ),
  },
  {
    module: "gate",
    bug: "every connection counts as one of the first page",
    plant: change(
      Gate.prototype,
      "attach",
      (attach) =>
        function (connection, idInGroup) {
          attach.call(this, connection, idInGroup);
          Object.defineProperty(connection, "page", { value: "market/1/Trade" });
        },
    ),
  },
];
