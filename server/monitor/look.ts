import type { MonitorFailure, MonitorRow } from "../../client-sdk/monitor/rows.ts";
import { pageIdentity } from "../../entities/app-spec.ts";
import type { GroupSeat, Position, WatchReads } from "../../entities/watch-reads.ts";
import { connects } from "../../rooms/connects.ts";
import type { Place, SessionPlan } from "./session-plan.ts";

/** So many missing people are named; more are counted. */
const MOST_NAMED = 3;

/** A session at one moment. */
export interface Look {
  readonly rows: readonly MonitorRow[];
  readonly failures: readonly MonitorFailure[];
}

/** What looking at a session takes. */
export interface LookOptions {
  readonly plan: SessionPlan;
  readonly read: WatchReads;
  /** Whether somebody may be connected to this group. */
  isAlive(groupId: number): boolean;
  /** Whether somebody's page is open that has no connection; null: not known. */
  isThere(code: string): boolean | null;
}

/**
 * Reads where everybody of a session is: the participants in one query, and for each app and round in which
 * somebody is, their groups in another. Groups themselves are left alone, loaded or not.
 */
export async function lookAt({ plan, read, isAlive, isThere }: LookOptions): Promise<Look> {
  const positions = await read.positions(plan.id);
  await breathe();
  const failed = await read.failedWaits(plan.id);
  const places = positions.map((position) => plan.at(position));
  const groups = new GroupsOf(positions);
  for (const { place, ids } of stretchesOf(positions, places)) {
    await breathe();
    if (place.app !== undefined) groups.add(place, await read.seats(place.app, place.pinned.round, ids));
  }
  await breathe();
  const failures = failed.map(({ actorId, page, error, stack }) => ({
    actor: Number(actorId),
    page: String(page),
    error: String(error ?? ""),
    stack: String(stack ?? ""),
  }));
  const rows = positions.map((position, i): MonitorRow => {
    const place = places[i];
    const { idInSession, code, label, pageIndex, pageAt, status, isReplaced } = position;
    const common = {
      id: idInSession,
      code,
      label: label ?? "",
      status: [isReplaced ? "replaced by the computer" : "", status ?? ""].filter((text) => text !== "").join(", "),
      index: pageIndex,
      pages: plan.pages.length,
    };
    const nowhere = { app: "", round: 0, page: "", connected: null, waitingFor: "", since: null };
    if (place === undefined) return { ...common, ...nowhere, state: pageIndex < 1 ? "new" : "done" };
    const { app, page, pinned } = place;
    const seat = groups.seatOf(place, position);
    const hasConnection = app !== undefined && page !== undefined && connects(app, page);
    const isFailed = failures.some(
      (one) => one.page === pageIdentity(pinned) && (page?.wait?.scope === "subsession" || one.actor === seat?.groupId),
    );
    return {
      ...common,
      ...{ app: pinned.app, round: pinned.round, page: pinned.page, since: pageAt },
      state:
        isFailed && (isReplaced || page?.wait !== undefined)
          ? "failed"
          : page?.wait === undefined
            ? "playing"
            : "waiting",
      connected: isReplaced
        ? null
        : hasConnection && seat !== undefined
          ? seat.connected && isAlive(seat.groupId)
          : isThere(code),
      waitingFor: page?.wait === undefined || isFailed ? "" : groups.missing(place, position).text,
    };
  });
  return { rows, failures };
}

/** Back to the loop: SQLite is read on the main thread, where the games run. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Who a participant on a wait page waits for. */
export interface Missing {
  /** idInSession, in order. */
  readonly ids: readonly number[];
  /** Those who wait for them, likewise. */
  readonly waiting: readonly number[];
  readonly text: string;
  /** They have no group yet. */
  readonly inLobby: boolean;
}

/** Who is together with whom, in the apps and rounds that were asked for. */
export class GroupsOf {
  readonly #positions: readonly Position[];
  readonly #byId: ReadonlyMap<number, Position>;
  /** By `app/round`, then by participant. */
  readonly #seats = new Map<string, ReadonlyMap<number, GroupSeat>>();
  readonly #members = new Map<number, GroupSeat[]>();
  /** A group's members are missing to all who wait there alike. */
  readonly #missing = new Map<string, Missing>();

  constructor(positions: readonly Position[]) {
    this.#positions = positions;
    this.#byId = new Map(positions.map((position) => [position.id, position]));
  }

  add(place: Place, seats: readonly GroupSeat[]): void {
    this.#seats.set(keyOf(place), new Map(seats.map((seat) => [seat.participantId, seat])));
    for (const seat of seats) {
      const members = this.#members.get(seat.groupId);
      if (members === undefined) this.#members.set(seat.groupId, [seat]);
      else members.push(seat);
    }
  }

  seatOf(place: Place, { id }: Position): GroupSeat | undefined {
    return this.#seats.get(keyOf(place))?.get(id);
  }

  /** Who of the group of somebody on a wait page, or of all groups, has not got there. */
  missing(place: Place, position: Position): Missing {
    const seat = this.seatOf(place, position);
    const scope = place.page?.wait?.scope;
    const key = `${pageIdentity(place.pinned)} ${scope === "subsession" ? "" : seat?.groupId}`;
    let found = this.#missing.get(key);
    if (found === undefined) {
      found = this.#find(scope, seat, position.pageIndex);
      this.#missing.set(key, found);
    }
    return found;
  }

  #find(scope: string | undefined, seat: GroupSeat | undefined, index: number): Missing {
    if (scope === "arrival" && seat?.idInSubsession === 0) {
      return { ids: [], waiting: [], text: "a group to form", inLobby: true };
    }
    const people =
      scope === "subsession"
        ? this.#positions
        : (this.#members.get(seat?.groupId ?? 0) ?? []).flatMap(
            ({ participantId }) => this.#byId.get(participantId) ?? [],
          );
    const idsOf = (some: readonly Position[]) => some.map(({ idInSession }) => idInSession).sort((a, b) => a - b);
    const ids = idsOf(people.filter(({ pageIndex }) => pageIndex < index));
    const waiting = idsOf(people.filter(({ pageIndex }) => pageIndex === index));
    return { ids, waiting, text: ids.length === 0 ? "" : namesOf(ids), inLobby: false };
  }
}

/** `P1, P4`, or `12 participants`. */
export function namesOf(ids: readonly number[], most = MOST_NAMED): string {
  return ids.length > most ? `${ids.length} participants` : ids.map((id) => `P${id}`).join(", ");
}

/** The apps and rounds in which somebody is, and who. */
export function stretchesOf(
  positions: readonly Position[],
  places: readonly (Place | undefined)[],
): { place: Place; ids: number[] }[] {
  const stretches = new Map<string, { place: Place; ids: number[] }>();
  for (const [i, place] of places.entries()) {
    const position = positions[i];
    if (place === undefined || position === undefined) continue;
    const known = stretches.get(keyOf(place));
    if (known === undefined) stretches.set(keyOf(place), { place, ids: [position.id] });
    else known.ids.push(position.id);
  }
  return [...stretches.values()];
}

function keyOf({ pinned }: Place): string {
  return `${pinned.app}/${pinned.round}`;
}
