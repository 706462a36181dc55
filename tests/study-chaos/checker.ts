import type { Place } from "../chaos/database.ts";
import { PAGES, type PersonHistory, type Post } from "./person.ts";
import { COMPUTED, ENDOWMENT, PLAYERS } from "./project/apps/study/index.ts";

/** What may be wrong; docs/chaos.md says what each counts. */
export const FIGURES = [
  "unfinished",
  "wentBack",
  "pagesTwice",
  "hooksWrong",
  "replacedWrong",
  "groupsWrong",
  "moneyWrong",
  "formsLost",
  "formsInvented",
  "replayDiffers",
] as const;
export type Figure = (typeof FIGURES)[number];

export interface Finding {
  readonly figure: Figure;
  readonly what: string;
}

type Sql = Record<string, unknown>;

/** What the database holds after the run, in plain rows with the database's names. */
export interface StudyData {
  readonly session: Sql;
  readonly participants: readonly Sql[];
  readonly players: readonly Sql[];
  readonly groups: readonly Sql[];
  readonly runs: readonly Sql[];
  readonly ends: readonly Sql[];
  readonly waits: readonly Sql[];
  readonly journal: readonly Sql[];
}

export async function readStudy({ query }: Place): Promise<StudyData> {
  const [session = {}] = await query("select fields, pages from session");
  return {
    session,
    participants: await query("select id, code, page_index, fields, replaced_at from participant order by id"),
    players: await query("select * from study_player order by id"),
    groups: await query("select * from study_group order by id"),
    runs: await query("select actor_id, n, player_id, hook from study_run order by actor_id, n"),
    waits: await query("select actor_id, page, timed_out from wait_page"),
    ends: await query('select participant_id, "left" from end_player'),
    journal: await query("select actor_id, seq, kind, page, changes from journal order by actor_id, seq"),
  };
}

/** Places of a round's pages in it. */
const PLACES = { Lobby: 1, Give: 2, Share: 3, Guess: 4, Talk: 5, All: 6 } as const;

/**
 * Compares what participants did and saw with what is stored.
 *
 * @param data read after everybody has come to the end, or had the time to
 */
export function checkStudy(people: readonly PersonHistory[], data: StudyData): Finding[] {
  const findings: Finding[] = [];
  const find = (figure: Figure, what: string): void => void findings.push({ figure, what });
  const must = (figure: Figure, is: unknown, be: unknown, what: string): void => {
    if (is !== be) find(figure, `${what} is ${is}, not ${be}`);
  };
  const journal = readJournal(data.journal);
  const pages = (JSON.parse(String(data.session.pages)) as unknown[]).length;
  const rounds = Math.max(...data.players.map((row) => Number(row.round_number)));
  const codes = new Map(data.participants.map((row) => [Number(row.id), String(row.code)]));
  const indexOf = (player: Sql, page: keyof typeof PLACES) => (Number(player.round_number) - 1) * PAGES + PLACES[page];
  const cameTo = (player: Sql, page: keyof typeof PLACES): boolean =>
    journal.pages.get(Number(player.participant_id))?.includes(indexOf(player, page)) === true;
  const left = (player: Sql, page: keyof typeof PLACES) =>
    journal.left.get(`${player.participant_id} ${indexOf(player, page)}`);
  const name = (player: Sql): string => `${codes.get(Number(player.participant_id))} in round ${player.round_number}`;

  // Everybody is at the end, by one way through the pages.
  const histories = new Map(people.map((person) => [person.code, person]));
  for (const row of data.participants) {
    const code = String(row.code);
    const seen = histories.get(code);
    must("unfinished", Number(row.page_index), pages + 1, `the page of ${code}`);
    if (seen?.end === undefined) find("unfinished", `${code} has not seen the end, but ${seen?.shown.at(-1)}`);
    const isReplaced = row.replaced_at !== null;
    if (seen?.end === "replaced")
      must("replacedWrong", isReplaced, true, `whether ${code} is replaced, who was told so,`);
    if (isReplaced && seen?.end === "finished") find("replacedWrong", `${code} has finished, and is replaced`);
    for (const [i, index] of (seen?.shown ?? []).entries()) {
      const before = seen?.shown[i - 1] ?? 0;
      if (index < before) find("wentBack", `${code} saw page ${index} after page ${before}`);
    }
    const ways = journal.pages.get(Number(row.id)) ?? [];
    if (new Set(ways).size < ways.length) find("pagesTwice", `${code} came to a page twice: ${ways.join(" ")}`);
  }
  for (const row of data.ends) {
    // Who has waited long enough goes past it, straight to the end.
    const came = journal.pages.get(Number(row.participant_id))?.includes(rounds * PAGES + 1) === true;
    must("hooksWrong", Number(row.left), came ? 1 : 0, `left of ${codes.get(Number(row.participant_id))}`);
  }

  // One group of the right size for everybody in each round.
  const groups = new Map(data.groups.map((row) => [Number(row.id), row]));
  const members = Map.groupBy(data.players, (row) => Number(row.group_id));
  for (const [id, group] of groups) {
    const players = members.get(id) ?? [];
    if (Number(group.id_in_subsession) === 0) {
      // Nobody is left in a lobby but those who have never come to it: they were at the end before.
      for (const player of players) {
        if (cameTo(player, "Lobby")) find("groupsWrong", `${name(player)} has no group`);
      }
      continue;
    }
    if (players.length < 1 || players.length > PLAYERS)
      find("groupsWrong", `group ${id} has ${players.length} players`);
    const places = players.map((row) => Number(row.id_in_group)).sort((a, b) => a - b);
    must("groupsWrong", places.join(" "), players.map((_, i) => i + 1).join(" "), `idInGroup in group ${id}`);
    must(
      "groupsWrong",
      players.every((row) => row.round_number === group.round_number),
      true,
      `one round in group ${id}`,
    );
    must("hooksWrong", Number(group.formed), 1, `formed of group ${id}`);
    const goesOn = players.some((player) => cameTo(player, "Guess"));
    must("hooksWrong", Number(group.shared), goesOn ? 1 : 0, `shared of group ${id}`);
    for (const page of ["Lobby", "Share", "All"] as const) {
      const key = `${id} study/${group.round_number}/${page}`;
      const isReached = players.some((player) => cameTo(player, page));
      // All groups end a page of all groups together, those whose players have left the study, too.
      if (page === "All" && !isReached) continue;
      must("hooksWrong", journal.done.get(key) ?? 0, isReached ? 1 : 0, `the journal's ends of ${key}`);
    }
    const sum = (column: string): number => players.reduce((total, row) => total + Number(row[column]), 0);
    must("moneyWrong", sum("gift"), Number(group.total), `the gifts in group ${id}`);
    must("moneyWrong", sum("payoff"), goesOn ? ENDOWMENT * players.length : 0, `the payoffs in group ${id}`);
  }
  must("groupsWrong", data.players.length, data.participants.length * rounds, "the number of players");
  const twice = new Set(data.players.map((row) => `${row.participant_id} ${row.round_number}`));
  must("groupsWrong", twice.size, data.players.length, "the number of participants' rounds");

  // Each hook has run once, by its rows, by its counters, and by the journal.
  const rows = new Set(data.runs.map((row) => `${row.actor_id} ${row.n}`));
  for (const key of journal.runs)
    if (!rows.has(key)) find("hooksWrong", `the journal has row ${key}, the table has not`);
  must("hooksWrong", journal.runs.length, rows.size, "the journal's number of rows");
  const runs = Map.groupBy(data.runs, (row) => Number(row.player_id));
  for (const player of data.players) {
    const hooks = (runs.get(Number(player.id)) ?? []).map((row) => String(row.hook));
    const plain = hooks.map((hook) => (hook === "timed out" ? "guessed" : hook)).sort();
    const group = groups.get(Number(player.group_id));
    const due = {
      formed: Number(group?.formed),
      gave: left(player, "Give") === undefined ? 0 : 1,
      guessed: left(player, "Guess") === undefined ? 0 : 1,
      talked: left(player, "Talk") === undefined ? 0 : 1,
      paid: journal.paid.has(Number(player.group_id)) ? 1 : 0,
      shared: Number(group?.shared),
    };
    const expected = Object.entries(due)
      .flatMap(([hook, times]) => Array<string>(times).fill(hook))
      .sort();
    must("hooksWrong", plain.join(" "), expected.join(" "), `what has run for ${name(player)}`);
    for (const counter of ["gave", "guessed", "talked", "paid"] as const) {
      must("hooksWrong", Number(player[counter]), due[counter], `${counter} of ${name(player)}`);
    }
  }

  // Money, over all rounds.
  const session = fields(data.session);
  const played = data.groups.filter((group) => journal.paid.has(Number(group.id)));
  must("hooksWrong", session.barriers, new Set(played.map((row) => row.round_number)).size, "the session's barriers");
  const paid = data.players.filter((row) => Number(row.paid) > 0);
  const total = paid.reduce((sum, row) => sum + Number(row.payoff), 0);
  must("moneyWrong", session.paid, total, "what the session paid");
  const own = Map.groupBy(paid, (row) => Number(row.participant_id));
  for (const row of data.participants) {
    const earned = (own.get(Number(row.id)) ?? []).reduce((sum, player) => sum + Number(player.payoff), 0);
    must("moneyWrong", fields(row).earned, earned, `what ${row.code} earned`);
  }

  // What was posted is there, and nothing else.
  for (const player of data.players) {
    const code = codes.get(Number(player.participant_id)) ?? "";
    const posts = (histories.get(code)?.posts ?? []).filter((post) => post.round === Number(player.round_number));
    const gave = posts.filter((post) => post.page === "Give");
    const stored = `${player.gift === null ? "" : Number(player.gift)} ${player.note ?? ""}`;
    const isComputed = stored === `${COMPUTED.gift} ${COMPUTED.note}`;
    if (isComputed) must("replacedWrong", Boolean(player.is_replaced), true, `whether ${name(player)} is replaced`);
    // Nobody has to have answered who was not there, or for whom the computer did.
    if (gave.some((post) => post.acknowledged) || (left(player, "Give") !== undefined && !isComputed)) {
      checkForm(gave, (post) => `${post.values.gift} ${post.values.note}`, stored, `the gift of ${name(player)}`, find);
    }
    const guesses = posts.filter((post) => post.page === "Guess");
    // Who came when the time was up has lost what they posted then; in time, or with the form, they have not.
    if ((left(player, "Guess") !== "submit" || Boolean(player.is_replaced)) && player.guess === null) continue;
    const guess = player.guess === null ? "" : String(Number(player.guess));
    checkForm(guesses, (post) => String(post.values.guess), guess, `the guess of ${name(player)}`, find);
  }
  return findings;
}

function checkForm(
  posts: readonly Post[],
  text: (post: Post) => string,
  stored: string,
  what: string,
  find: (figure: Figure, what: string) => void,
): void {
  if (!posts.some((post) => text(post) === stored)) {
    const known = posts.map((post) => `${text(post)}${post.acknowledged ? " (acknowledged)" : ""}`).join(", ");
    find(
      posts.some((post) => post.acknowledged) ? "formsLost" : "formsInvented",
      `${what} is ${stored}, posted were ${known}`,
    );
    return;
  }
  const acknowledged = posts.filter((post) => post.acknowledged);
  if (acknowledged.length === 0) return;
  const mayCount = posts.filter((post) => post.acknowledged || post.isLeft);
  if (!mayCount.some((post) => text(post) === stored)) {
    find("formsLost", `${what} is ${stored}; acknowledged was ${acknowledged.map(text).join(", ")}`);
  }
}

/** What the checks need of the journal. */
interface Journal {
  /** Pages that a participant came to, ascending. */
  readonly pages: Map<number, number[]>;
  /** How a participant left a page: kind of the entry by `participant index`. */
  readonly left: Map<string, string>;
  /** How often a wait page was done, by `actor page`. */
  readonly done: Map<string, number>;
  /** Groups for which the function of all groups has run. */
  readonly paid: ReadonlySet<number>;
  /** Rows that hooks made, as `actor n`. */
  readonly runs: string[];
}

interface Change {
  readonly insert?: string;
  readonly update?: string;
  readonly key?: Readonly<Record<string, unknown>>;
  readonly values?: Readonly<Record<string, unknown>>;
}

function readJournal(entries: readonly Sql[]): Journal {
  const paid = new Set<number>();
  const journal: Journal = { pages: new Map(), left: new Map(), done: new Map(), paid, runs: [] };
  const came: { id: number; index: number; kind: string }[] = [];
  for (const { actor_id: actor, kind, changes } of entries) {
    for (const change of JSON.parse(String(changes ?? "[]")) as Change[]) {
      const { insert, update, key = {}, values = {} } = change;
      if (update === "participant" && values.pageIndex !== undefined) {
        came.push({ id: Number(key.id), index: Number(values.pageIndex), kind: String(kind) });
      }
      if ((insert ?? update) === "wait_page" && values.doneAt != null) {
        const page = `${actor} ${values.page ?? key.page}`;
        journal.done.set(page, (journal.done.get(page) ?? 0) + 1);
        if (kind === "barrier") paid.add(Number(actor));
      }
      if (insert === "study_run") journal.runs.push(`${values.actorId} ${values.n}`);
    }
  }
  came.sort((a, b) => a.index - b.index);
  for (const { id, index, kind } of came) {
    const before = journal.pages.get(id) ?? [];
    const from = before.at(-1);
    if (from !== undefined) journal.left.set(`${id} ${from}`, kind);
    journal.pages.set(id, [...before, index]);
  }
  return journal;
}

function fields(row: Sql): Record<string, unknown> {
  return JSON.parse(String(row.fields ?? "{}")) as Record<string, unknown>;
}
