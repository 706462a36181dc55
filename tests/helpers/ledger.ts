import { expect } from "@jest/globals";
import { type HeadlessOptions, HeadlessParticipant } from "../../client-sdk/headless.ts";
import { makeSession } from "./http.ts";
import type { Heard, Say } from "./ledger/apps/ledger/index.ts";

/** One row of a table as a database client gives it. */
export type Row = Record<string, unknown>;
/** Reads what is committed, by another way than the server's. */
export type Query = (sql: string) => Promise<Row[]>;

/** A participant of the ledger: says things, and writes down what they were answered and what they heard. */
export class Teller {
  readonly name: string;
  readonly client: HeadlessParticipant;
  /** Texts in the order in which they were said. */
  readonly said: string[] = [];
  /** Texts whose promise was fulfilled. */
  readonly done = new Set<string>();
  /** Codes of refusals for good. */
  readonly refused: string[] = [];
  readonly heard: Heard[];

  private constructor(name: string, client: HeadlessParticipant, heard: Heard[]) {
    this.name = name;
    this.client = client;
    this.heard = heard;
  }

  /** Opens a participant's link. @param onHear told of each delivery before anybody else */
  static async open(
    name: string,
    link: string,
    onHear: (heard: Heard) => void = () => {},
    options: HeadlessOptions = {},
  ): Promise<Teller> {
    const heard: Heard[] = [];
    const client = await HeadlessParticipant.open(link, {
      ...options,
      record: false,
      onMessage(data) {
        heard.push(data as Heard);
        onHear(data as Heard);
      },
    });
    return new Teller(name, client, heard);
  }

  say(more: Partial<Say> = {}): void {
    const text = `${this.name} ${this.said.length + 1}`;
    this.said.push(text);
    this.client.send({ text, ...more } satisfies Say).then(
      () => this.done.add(text),
      (error) => this.refused.push(error.code),
    );
  }

  /** Says something every so many milliseconds until told to stop. */
  async chatter(pause: number, isOn: () => boolean): Promise<void> {
    while (isOn()) {
      this.say();
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  /** Everything is answered, and everything that was said in the group has been heard. */
  settled(group: readonly Teller[]): Promise<void> {
    const lines = group.reduce((sum, one) => sum + one.said.length, 0);
    return this.client.until(() => this.client.unanswered === 0 && this.heard.length >= lines, 40_000);
  }
}

/** A new session on a server, and everybody in it, group by group. */
export async function openGroups(
  base: string,
  config: "one_group" | "two_groups",
  options: { roadOf?(name: string): string; onHear?(heard: Heard): void } = {},
): Promise<Teller[][]> {
  const { participants } = await makeSession(base, config);
  const tellers = await Promise.all(
    participants.map((code, i) => {
      const name = `g${Math.floor(i / 3) + 1}p${(i % 3) + 1}`;
      return Teller.open(name, `${options.roadOf?.(name) ?? base}/InitializeParticipant/${code}`, options.onHear);
    }),
  );
  return Array.from({ length: tellers.length / 3 }, (_, g) => tellers.slice(3 * g, 3 * g + 3));
}

/**
 * Everything happened once and in order: the lines of each group are what its tellers said, numbered
 * without holes, each teller heard all of them in that order, and nobody was refused.
 */
export async function expectWhole(groups: readonly (readonly Teller[])[], query: Query): Promise<void> {
  const lines = await query("select actor_id, number, text from ledger_line order by actor_id, n");
  for (const tellers of groups) {
    const names = tellers.map(({ name }) => name);
    const own = lines.filter(({ text }) => names.includes(String(text).split(" ")[0] ?? ""));
    const asHeard = own.map(({ number, text }) => ({ n: Number(number), text: String(text) }));
    expect(asHeard.map(({ n }) => n)).toEqual(asHeard.map((_, i) => i + 1));
    for (const { name, said, done, heard, refused, client } of tellers) {
      const stored = asHeard.filter(({ text }) => text.startsWith(`${name} `)).map(({ text }) => text);
      expect(stored).toEqual(said);
      expect(done.size).toBe(said.length);
      expect(refused).toEqual([]);
      expect(client.reloadRequests).toBe(0);
      expect(heard).toEqual(asHeard);
    }
  }
  expect(lines).toHaveLength(groups.flat().reduce((sum, { said }) => sum + said.length, 0));
  await expectJournalWithoutHoles(query);
}

/** In every journal the seqs are 1, 2, 3 ..., and so are the numbers of each page load. */
async function expectJournalWithoutHoles(query: Query): Promise<void> {
  const entries = await query("select actor_id, seq, participant_id, client_id, n from journal order by actor_id, seq");
  const seqs = Map.groupBy(entries, (entry) => entry.actor_id);
  const numbers = Map.groupBy(
    entries.filter((entry) => entry.client_id !== null),
    (entry) => `${entry.participant_id} ${entry.client_id}`,
  );
  for (const list of seqs.values()) expect(list.map(({ seq }) => Number(seq))).toEqual(list.map((_, i) => i + 1));
  for (const list of numbers.values()) expect(list.map(({ n }) => Number(n))).toEqual(list.map((_, i) => i + 1));
}
