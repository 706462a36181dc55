import fc from "fast-check";
import { JournalTable } from "../../entities/system-tables.ts";
import { type Deliveries, defineApp, integer, json, link, type PlayerOf, StaleWrite, text } from "../../index.ts";
import { at, type seatedGroup } from "./sqlite.ts";
import type { TestConnection, TestWorld } from "./world.ts";

/** One change that a message or call makes; with `wait`, something else may come between its reading and its writing. */
export interface Op {
  readonly do: "add" | "push" | "transfer";
  readonly by: number;
  /** Of a transfer: idInGroup of who gives and who takes. */
  readonly from: number;
  readonly to: number;
  readonly wait: boolean;
  /**
   * A stale write is caught, and only this is done again on what is there now. If that leaves out something that the
   * unit has done before, the yield must throw.
   */
  readonly catches: boolean;
}

export type Step =
  | Op
  | {
      readonly do: "yield" /** A stale write is caught, and all of the unit is done again. */;
      readonly catches: boolean;
    }
  | { readonly do: "throw" };

export type Action =
  /** A call of an async generator with these steps. */
  | { readonly do: "call"; readonly player: number; readonly steps: readonly Step[] }
  /** A sync message. `throws`: at its end; `refused`: the database refuses what it did. */
  | { readonly do: "message"; readonly player: number; readonly op: Op; readonly fate: "throws" | "refused" | "stored" }
  /** The n-th call under way goes on, if it waits. */
  | { readonly do: "go"; readonly call: number }
  /** The loop turns this often: commits and answers come. */
  | { readonly do: "turn"; readonly times: number }
  /** The actor dies, and everybody comes back to a new one and sends again what has no answer. */
  | { readonly do: "kill" };

const op = fc
  .record({
    do: fc.constantFrom("add", "push", "transfer"),
    by: fc.integer({ min: 1, max: 9 }),
    from: fc.constantFrom(1, 2, 3),
    to: fc.constantFrom(1, 2, 3),
    wait: fc.boolean(),
    catches: fc.boolean(),
  })
  .map((one) => ({ ...one, to: one.to === one.from ? (one.from % 3) + 1 : one.to })) as fc.Arbitrary<Op>;

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: op },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("yield" as const), catches: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ do: "throw" as const }) },
);

const player = fc.constantFrom(0, 1, 2);

/** Random plans: what comes, in which order. */
export const plans = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("call" as const),
        player,
        steps: fc.array(step, { minLength: 1, maxLength: 6 }),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant("message" as const),
        player,
        op,
        fate: fc.constantFrom(
          "stored" as const,
          "stored" as const,
          "stored" as const,
          "throws" as const,
          "refused" as const,
        ),
      }),
    },
    { weight: 8, arbitrary: fc.record({ do: fc.constant("go" as const), call: fc.nat(5) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("turn" as const), times: fc.integer({ min: 1, max: 6 }) }) },
    { weight: 1, arbitrary: fc.constant({ do: "kill" as const }) },
  ),
  { minLength: 5, maxLength: 40 },
);

/** Where calls wait until the plan lets them go on. */
class Doors {
  readonly #waiting = new Map<string, () => void>();
  #open = false;

  wait(id: string): Promise<void> {
    if (this.#open) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  go(call: number): void {
    const id = [...this.#waiting.keys()][call % Math.max(1, this.#waiting.size)];
    if (id === undefined) return;
    this.#waiting.get(id)?.();
    this.#waiting.delete(id);
  }

  openAll(): void {
    this.#open = true;
    for (const resolve of this.#waiting.values()) resolve();
  }
}

/** Marks what the database is to refuse. */
const REFUSED = "refuse me";
const START = 100;
let doors = new Doors();

/** Every unit leaves a Deed that says what it means to have done: the model takes it at its word. */
export const bank = defineApp({
  name: "bank",
  playersPerGroup: 3,
  group: { counter: integer({ initial: 0 }), list: json<number[]>({ initial: [] }) },
  player: { balance: integer({ initial: START }) },
  extraModels: { Deed: { player: link("player"), work: text(), unit: integer(), ops: json<Op[]>() } },
});
const { Deed } = bank.extraModels;
type BankPlayer = PlayerOf<typeof bank>;

/** Reads, perhaps waits, and writes what it has read and changed. */
async function change<T>(
  id: string,
  { wait }: Op,
  catches: boolean,
  read: () => T,
  write: (read: T) => void,
): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const before = read();
    if (wait) await doors.wait(id);
    try {
      write(before);
      return;
    } catch (error) {
      if (!(error instanceof StaleWrite && catches)) throw error;
    }
  }
}

async function perform(who: BankPlayer, id: string, step: Op, all: readonly Step[]): Promise<void> {
  const { group } = who;
  // Doing one thing again is not to be taken for doing another with the same field again.
  const catches = step.catches && all.filter((one) => one.do === step.do).length === 1;
  const pay = (idInGroup: number, by: number): Promise<void> => {
    const one = group.getPlayerById(idInGroup);
    return change(
      id,
      step,
      catches,
      () => one.balance,
      (before) => {
        one.balance = before + by;
      },
    );
  };
  if (step.do === "transfer") {
    await pay(step.from, -step.by);
    await pay(step.to, step.by);
  } else if (step.do === "add") {
    await change(
      id,
      step,
      catches,
      () => group.counter,
      (before) => {
        group.counter = before + step.by;
      },
    );
  } else {
    await change(
      id,
      step,
      catches,
      () => [...group.list],
      (before) => {
        group.list = [...before, step.by];
      },
    );
  }
}

function performNow(who: BankPlayer, step: Op): void {
  const { group } = who;
  if (step.do === "add") group.counter += step.by;
  if (step.do === "push") group.list.push(step.by);
  if (step.do === "transfer") {
    group.getPlayerById(step.from).balance -= step.by;
    group.getPlayerById(step.to).balance += step.by;
  }
}

bank.page("Play", {
  live: {
    async *call(who: BankPlayer, { id, steps }: { id: string; steps: Step[] }): AsyncGenerator<Deliveries> {
      const { group } = who;
      let begin = 0;
      for (let unit = 0; begin <= steps.length; unit++) {
        const yields = steps.findIndex((one, index) => index >= begin && one.do === "yield");
        const end = yields < 0 ? steps.length : yields;
        const closing = steps[end];
        for (let [tries, done] = [0, false]; !done; tries++) {
          // Only a planted bug makes it stale as often as that.
          if (tries > 100) throw new Error("done again for ever");
          const ops: Op[] = [];
          try {
            const all = steps.slice(begin, end);
            for (const one of all) {
              if (one.do === "throw") throw new Error("the call's own error");
              if (one.do === "yield") continue;
              await perform(who, id, one, all);
              ops.push(one);
            }
            Deed.create({ player: who, work: id, unit, ops });
            yield { 0: { id, unit, counter: group.counter } };
            done = true;
          } catch (error) {
            if (!(error instanceof StaleWrite) || closing?.do !== "yield" || !closing.catches) throw error;
          }
        }
        begin = end + 1;
      }
    },
    message(who: BankPlayer, { id, op: one, fate }: { id: string; op: Op; fate: string }) {
      performNow(who, one);
      Deed.create({ player: who, work: fate === "refused" ? `${id} ${REFUSED}` : id, unit: 0, ops: [one] });
      if (fate === "throws") throw new Error("the message's own error");
      return { 0: { id, unit: 0, counter: who.group.counter } };
    },
  },
});

/** A message that was sent, under the number that it keeps. */
interface Sent {
  readonly player: number;
  readonly n: number;
  readonly c: string;
  readonly data: object;
  answer: { v?: unknown; e?: { code: string; message: string; retry?: boolean } | undefined } | undefined;
}

export interface Outcome {
  /** What no serial order of the stored units explains; empty: everything was right. */
  readonly findings: string[];
  /** How many units of others were stored between the beginning and the end of a call, over all calls. */
  readonly interleaved: number;
  /** How many calls were told that a write was stale, or ended as they should. */
  readonly calls: { done: number; failed: number; interrupted: number };
}

/** Carries a plan out on a world of the {@link bank} and compares everything that was stored with a serial model. */
export async function interleave(
  world: TestWorld,
  seat: typeof seatedGroup,
  plan: readonly Action[],
): Promise<Outcome> {
  doors = new Doors();
  const { store } = world;
  const { commit } = store;
  store.commit = async (units) => {
    await turn(1);
    const bad = units.some(({ entry }) => entry.changes?.includes(REFUSED));
    return bad ? { result: "data", error: new Error("refused by the test") } : commit.call(store, units);
  };
  const { people, actorId, players: first } = await seat(world, ["bank"], 3);
  let players: TestConnection[] = first;
  const everybody: TestConnection[] = [...first];
  const sent: Sent[] = [];

  const post = (who: number, data: object): void => {
    const connection = at(players, who);
    // Its own numbers: what is sent again on a connection has those of another.
    const n = sent.filter(({ c }) => c === connection.clientId).length + 1;
    sent.push({ player: who, n, c: connection.clientId, data, answer: undefined });
    connection.post(data, { n });
  };
  const isAnswered = (): boolean => {
    for (const one of sent) {
      if (one.answer !== undefined) continue;
      for (const { frames } of everybody) {
        for (const frame of frames) {
          const answer = frame.k === "answer" || frame.k === "recv" ? frame.a : undefined;
          if (answer?.c === one.c && answer.n === one.n && !answer.e?.retry) one.answer ??= answer;
        }
      }
    }
    return sent.every(({ answer }) => answer !== undefined);
  };
  const sendAgain = (): void => {
    isAnswered();
    for (const one of sent)
      if (one.answer === undefined) at(players, one.player).post(one.data, { c: one.c, n: one.n });
  };

  /** As pages do whose socket was closed. What the old actor had sent to the database may still end a new one. */
  const comeBack = async (): Promise<void> => {
    if (players.every(({ closed }) => closed === undefined)) return;
    players = await Promise.all(people.map((person) => world.connect(actorId, person.id as number)));
    everybody.push(...players);
    sendAgain();
  };

  let ids = 0;
  for (const action of plan) {
    if (action.do === "call") post(action.player, { type: "call", id: `c${++ids}`, steps: action.steps });
    if (action.do === "message") {
      post(action.player, { type: "message", id: `m${++ids}`, op: action.op, fate: action.fate });
    }
    if (action.do === "go") doors.go(action.call);
    if (action.do === "turn") await turn(action.times);
    if (action.do === "kill") world.actors.get(actorId).die();
    await comeBack();
  }
  doors.openAll();
  const findings: string[] = [];
  for (let turns = 0; !isAnswered(); turns++) {
    if (turns > 2000) {
      findings.push(`no answer to ${JSON.stringify(sent.filter(({ answer }) => answer === undefined))}`);
      break;
    }
    await comeBack();
    // What a mailbox or a client's numbering refused for the moment comes again.
    if (turns % 200 === 199) sendAgain();
    await turn(1);
  }
  await world.committer.drained();
  await turn(5);
  const outcome = await explain(world, actorId, sent, everybody, findings);
  store.commit = commit;
  return outcome;
}

function turn(times: number): Promise<void> {
  return new Promise((resolve) => setImmediate(() => resolve(times > 1 ? turn(times - 1) : undefined)));
}

/** What the bank's rows should be. */
class Model {
  counter = 0;
  list: number[] = [];
  balances = new Map<number, number>();

  fields(): Map<string, unknown> {
    return new Map<string, unknown>([
      ["counter", this.counter],
      ["list", JSON.stringify(this.list)],
      ...[...this.balances].map(([id, balance]): [string, unknown] => [`balance ${id}`, balance]),
    ]);
  }

  apply(one: Op, idOf: (idInGroup: number) => number): void {
    const move = (idInGroup: number, by: number) => {
      const id = idOf(idInGroup);
      this.balances.set(id, (this.balances.get(id) ?? 0) + by);
    };
    if (one.do === "add") this.counter += one.by;
    if (one.do === "push") this.list = [...this.list, one.by];
    if (one.do === "transfer") {
      move(one.from, -one.by);
      move(one.to, one.by);
    }
  }
}

type Change = { insert?: string; update?: string; values?: Record<string, unknown>; key?: { id?: number } };

async function explain(
  world: TestWorld,
  actorId: number,
  sent: readonly Sent[],
  everybody: readonly TestConnection[],
  findings: string[],
): Promise<Outcome> {
  const { read } = world.store;
  const journal = (await read.rows(JournalTable, { actorId })).sort((a, b) => Number(a.seq) - Number(b.seq));
  const rows = await read.rows(bank.spec.player.table, { groupId: actorId });
  const idOf = (idInGroup: number): number => rows.find((row) => row.idInGroup === idInGroup)?.id as number;
  const model = new Model();
  for (const row of rows) model.balances.set(row.id as number, START);
  const past = new Set<number>([0]);
  const units = new Map<string, number>();
  const spans = new Map<string, { begun: number; ended: number | undefined; outcome: unknown }>();
  const delivered = new Map<number, string>();
  let stored = 0;
  let interleaved = 0;

  for (const entry of journal) {
    const where = `seq ${entry.seq} (${entry.kind})`;
    const say = (what: string): void => void findings.push(`${where}: ${what}`);
    const changes = JSON.parse((entry.changes as string | null) ?? "[]") as Change[];
    const output = JSON.parse((entry.output as string | null) ?? "{}");
    const number = `${entry.clientId}.${Math.abs(Number(entry.n))}`;
    if (entry.kind === "started") {
      if (spans.has(number)) say("the call was begun twice");
      spans.set(number, { begun: stored, ended: undefined, outcome: undefined });
    }
    const deeds = changes.filter(({ insert }) => insert === "bank_deed").map(({ values }) => values ?? {});
    const before = model.fields();
    if (deeds.length > 1) say("two units were stored as one");
    for (const deed of deeds) {
      const id = String(deed.work);
      const unit = units.get(id) ?? 0;
      if (deed.unit !== unit) say(`${id} has stored its unit ${deed.unit} after ${unit} others`);
      units.set(id, unit + 1);
      for (const one of JSON.parse(String(deed.ops)) as Op[]) model.apply(one, idOf);
    }
    const after = model.fields();
    const written = new Map<string, unknown>();
    for (const { update, values = {}, key } of changes) {
      for (const [field, value] of Object.entries(values)) {
        if (update === "bank_group" && (field === "counter" || field === "list")) written.set(field, value);
        if (update === "bank_player" && field === "balance") written.set(`balance ${key?.id}`, value);
      }
    }
    for (const [field, value] of after) {
      const wrote = written.get(field);
      if (value === before.get(field) ? wrote !== undefined : wrote !== value) {
        say(`${field} was ${before.get(field)}, should be ${value}, and was stored as ${wrote ?? "what it was"}`);
      }
    }
    for (const { m } of (output.d ?? []) as { m: { counter?: number } }[]) {
      if (m.counter !== undefined && m.counter !== model.counter && !past.has(m.counter)) {
        say(`it sent the counter ${m.counter}, which it has never been`);
      }
      delivered.set(Number(entry.seq), JSON.stringify(m));
    }
    if (deeds.length > 0) stored += 1;
    past.add(model.counter);
    const span = spans.get(number);
    if (entry.kind === "done" && span !== undefined) {
      span.ended = stored;
      span.outcome = output.e;
      interleaved += stored - span.begun;
    }
  }

  const group = at(await read.rows(bank.spec.group.table, { id: actorId }), 0);
  const now = new Model();
  now.counter = group.counter as number;
  now.list = JSON.parse(group.list as string);
  for (const row of rows) now.balances.set(row.id as number, row.balance as number);
  const [expected, found] = [JSON.stringify([...model.fields()]), JSON.stringify([...now.fields()])];
  if (expected !== found) findings.push(`the rows are ${found} in the end, and should be ${expected}`);
  const sum = [...now.balances.values()].reduce((total, balance) => total + balance, 0);
  if (sum !== rows.length * START) findings.push(`the balances sum up to ${sum}`);

  for (const connection of everybody) {
    let last = 0;
    for (const frame of connection.frames) {
      if (frame.k !== "recv") continue;
      if (frame.s <= last) findings.push(`a delivery of seq ${frame.s} came behind one of ${last}`);
      last = frame.s;
      if (JSON.stringify(frame.m[0]) !== delivered.get(frame.s))
        findings.push(`seq ${frame.s} sent what is not stored`);
    }
  }

  const calls = { done: 0, failed: 0, interrupted: 0 };
  for (const { c, n, data, answer } of sent) {
    const { id, type, steps = [], fate } = data as { id: string; type: string; steps?: Step[]; fate?: string };
    const got = units.get(id) ?? 0;
    const code = answer?.e?.code ?? "done";
    const say = (what: string): void => void findings.push(`${id} was answered ${code}, but ${what}`);
    if (type === "message") {
      if ((code === "done") !== (got === 1)) say(`${got} units are stored`);
      if (fate === "stored" && code !== "done") say("nothing was wrong with it");
      if (fate !== "stored" && code === "done") say(`it ${fate}`);
      continue;
    }
    const span = spans.get(`${c}.${n}`);
    const throws = steps.findIndex((one) => one.do === "throw");
    const reached = throws < 0 ? steps : steps.slice(0, throws);
    const whole = reached.filter((one) => one.do === "yield").length + (throws < 0 ? 1 : 0);
    if (got > whole) say(`${got} units are stored, of ${whole}`);
    if (code === "done") {
      calls.done += 1;
      if (throws >= 0) say("it throws");
      if (got !== whole) say(`${got} units are stored, of ${whole}`);
      if (span?.ended === undefined) say("its end is not stored");
    } else if (code === "interrupted") {
      calls.interrupted += 1;
      if (span?.ended !== undefined) say("its end is stored");
    } else {
      calls.failed += 1;
      if (span?.outcome === undefined) say("its end is not stored so");
      const why = answer?.e?.message ?? "";
      const isStale = why.includes("Nothing that the call has written since its last yield remains");
      if (!isStale && !(throws >= 0 && why.includes("the call's own error"))) say(`that is no reason: ${why}`);
    }
  }
  return { findings, interleaved, calls };
}
