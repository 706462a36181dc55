import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AuthorError, messageOf } from "../../client-sdk/errors.ts";
import { asLabel, LABEL_RULE } from "../../entities/labels.ts";
import { readSecret } from "../../entities/secret.ts";
import { LabSessionTable, SessionTable } from "../../entities/system-tables.ts";
import type { Values } from "../../entities/tables.ts";
import type { Game } from "../../rooms/calls.ts";
import type { Lab } from "../../rooms/labs.ts";

/** Milliseconds after which somebody on the waiting page who does not ask again counts as gone. */
const WAITING = 12_000;
/** Those at a lab's door who are counted. */
const MOST_WAITING = 10_000;

/** A lab with its labels and with whoever waits at its door. */
export class OpenLab {
  readonly lab: Lab;
  /** undefined: everybody is let in. */
  readonly labels: readonly string[] | undefined;
  readonly #waiting = new Map<string, number>();

  constructor(lab: Lab, labels: readonly string[] | undefined) {
    this.lab = lab;
    this.labels = labels;
  }

  /** Somebody is at the door and there is no session yet. @param who their label, or what tells browsers apart */
  wait(who: string, now: number): void {
    // Who came last stands last.
    this.#waiting.delete(who);
    this.#waiting.set(who, now);
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size > MOST_WAITING && oldest !== undefined) this.#waiting.delete(oldest);
  }

  /** Who is at the door. */
  waiting(now: number): string[] {
    for (const [who, at] of this.#waiting) if (at < now - WAITING) this.#waiting.delete(who);
    return [...this.#waiting.keys()];
  }
}

/**
 * Reads the labs' label files: a label on each line; empty lines are left out.
 *
 * @throws AuthorError `wrong_labels` that names file, line and cure
 */
export function openLabs(root: string, labs: readonly Lab[]): Map<string, OpenLab> {
  return new Map(labs.map((lab) => [lab.name, new OpenLab(lab, labelsOf(root, lab))]));
}

function labelsOf(root: string, { name, labelFile }: Lab): string[] | undefined {
  if (labelFile === undefined) return undefined;
  const where = `walras.config: lab ${name}: ${labelFile}`;
  let text: string;
  try {
    text = readFileSync(join(root, labelFile), "utf8");
  } catch (error) {
    throw new AuthorError("wrong_labels", `${where} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  const labels = text
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .map((line) => line.trim());
  const seen = new Set<string>();
  labels.forEach((text, index) => {
    if (text === "") return;
    const line = `${where}, line ${index + 1}: ${JSON.stringify(text.slice(0, 100))}`;
    const label = asLabel(text);
    if (label === undefined) throw new AuthorError("wrong_labels", `${line} is no label. ${LABEL_RULE}.`);
    if (seen.has(label)) throw new AuthorError("wrong_labels", `${line} stands there twice.`);
    seen.add(label);
  });
  if (seen.size === 0) throw new AuthorError("wrong_labels", `${where} has no labels. Write one on each line.`);
  return [...seen];
}

/** In place of a lab's name, which has no slash: see {@link LabSecret.visit}. */
const VISITS = "/welcome";

/** Makes and checks the hashes of secure links and welcome pages. The secret lives in the database: links outlive passwords and restarts. */
export class LabSecret {
  readonly #game: Pick<Game, "store" | "transact">;
  #secret: Promise<string> | undefined;

  constructor(game: Pick<Game, "store" | "transact">) {
    this.#game = game;
  }

  /** Sixteen hexadecimal digits: 64 bits that only this server can make. */
  async hash(lab: string, label: string): Promise<string> {
    const { store, transact } = this.#game;
    this.#secret ??= readSecret({ read: store.read, transact }, "lab secret");
    this.#secret.catch(() => {
      this.#secret = undefined;
    });
    return createHmac("sha256", await this.#secret)
      .update(`${lab}\n${label}`)
      .digest("hex")
      .slice(0, 16);
  }

  async isRight(lab: string, label: string, hash: string): Promise<boolean> {
    const expected = Buffer.from(await this.hash(lab, label));
    const given = Buffer.from(hash);
    return given.length === expected.length && timingSafeEqual(given, expected);
  }

  /** A name for a welcome page that is shown now. Nobody else can make one, and it is of use in this session only. */
  async visit(sessionId: number): Promise<string> {
    const id = randomBytes(12).toString("base64url");
    return `${id}.${await this.hash(VISITS, `${sessionId}/${id}`)}`;
  }

  async isVisit(sessionId: number, visit: string): Promise<boolean> {
    const [id = "", hash = ""] = visit.split(".");
    return this.isRight(VISITS, `${sessionId}/${id}`, hash);
  }
}

/** The session to which a lab leads now, its whole row; undefined: none is open. */
export async function sessionOf(game: Pick<Game, "store">, lab: string): Promise<Values | undefined> {
  const rows = await game.store.read.rows(LabSessionTable, { lab });
  const id = rows.at(-1)?.sessionId;
  return typeof id === "number" ? (await game.store.read.rows(SessionTable, { id }))[0] : undefined;
}

/** The session to which a lab led last, whether it is open or not; undefined: it never was. */
export async function lastSessionOf(game: Pick<Game, "store">, lab: string): Promise<Values | undefined> {
  const rows = await game.store.read.rows(LabSessionTable, { lab });
  const id = rows.findLast(({ sessionId }) => typeof sessionId === "number")?.sessionId;
  return typeof id === "number" ? (await game.store.read.rows(SessionTable, { id }))[0] : undefined;
}

/** Opens a lab for a session, or closes it. */
export async function setSession(game: Pick<Game, "transact">, lab: string, sessionId: number | null, at: number) {
  await game.transact((write) => write.insert(LabSessionTable, [{ lab, sessionId, at }]));
}
